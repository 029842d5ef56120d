"""The declaration of a stereo job: images, matching cost, field, search and report."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Reader

METHODS = ("trws",)


@dataclass(frozen=True)
class CostDeclaration:
    """How pixels are matched, see :func:`mmgraph.spatial.stereo.matching_cost`."""

    disparities: int
    census_scale: float = 30.0
    colour_scale: float = 10.0
    aggregation: int = 1


@dataclass(frozen=True)
class SurfaceDeclaration:
    """The Markov random field, see :func:`mmgraph.spatial.stereo.stereo_graph`."""

    strength: float
    truncation: float
    across_edges: float
    scale: float
    unmatched: float = 1.0
    neighbours: int = 4


@dataclass(frozen=True)
class SearchDeclaration:
    """How a labelling of low energy is found: a method of ``map_query`` and its iterations."""

    method: str = "trws"
    iterations: int = 40


@dataclass(frozen=True)
class StereoReport:
    """What is reported.

    Attributes
    ----------
    tolerance : float
        A disparity that is off by more pixels is bad.
    unseen_from_row : int
        The truth of the rows from here on was not looked at when the settings were chosen.
    """

    tolerance: float = 2.0
    unseen_from_row: int = 0


@dataclass(frozen=True)
class StereoDeclaration:
    """A ready model of the kind ``stereo``.

    Attributes
    ----------
    name, title, dataset : str
        Its file name without ending, what it says of itself, the entry of the catalogue.
    cost, field, search, report
        See there.
    """

    name: str
    title: str
    dataset: str
    cost: CostDeclaration
    field: SurfaceDeclaration
    search: SearchDeclaration
    report: StereoReport


def read_stereo(name: str | os.PathLike[str]) -> StereoDeclaration:
    """Read the declaration of a stereo job.

    Raises
    ------
    FormatError
        If the file is not TOML, or an entry is missing, unknown or out of range.
    """
    reader = Reader(name)
    reader.only("kind", "title", "data", "cost", "field", "search", "report")
    declaration = StereoDeclaration(
        name=reader.path.stem,
        title=reader.value(reader.content, "title", str, "the file"),
        dataset=reader.value(reader.table("data"), "dataset", str, "[data]"),
        cost=reader.record(CostDeclaration, reader.table("cost"), "[cost]"),
        field=reader.record(SurfaceDeclaration, reader.table("field"), "[field]"),
        search=reader.record(SearchDeclaration, reader.table("search"), "[search]"),
        report=reader.record(StereoReport, reader.table("report"), "[report]"),
    )
    reader.choice(declaration.search.method, METHODS, "[search] method")
    for value, low, high, where in (
        (declaration.cost.disparities, 2, 10**6, "[cost] 'disparities'"),
        (declaration.cost.census_scale, 1e-9, 1e9, "[cost] 'census_scale'"),
        (declaration.cost.colour_scale, 1e-9, 1e9, "[cost] 'colour_scale'"),
        (declaration.field.strength, 0, 1e9, "[field] 'strength'"),
        (declaration.field.truncation, 1e-9, 1e9, "[field] 'truncation'"),
        (declaration.field.across_edges, 0, 1, "[field] 'across_edges'"),
        (declaration.field.scale, 1e-9, 1e9, "[field] 'scale'"),
        (declaration.field.unmatched, 0, 1, "[field] 'unmatched'"),
        (declaration.search.iterations, 1, 10**6, "[search] 'iterations'"),
        (declaration.report.tolerance, 0, 1e9, "[report] 'tolerance'"),
    ):
        reader.within(value, low, high, where)
    return declaration
