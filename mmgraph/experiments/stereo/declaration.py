"""The declaration of a stereo job: images, matching cost, field, search and report."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Reader, ReadyModel, entry

_POSITIVE = (1e-9, 1e9)


@dataclass(frozen=True)
class CostDeclaration:
    """How pixels are matched, see :func:`mmgraph.spatial.stereo.matching_cost`."""

    disparities: int = entry(within=(2, 10**6))
    census_scale: float = entry(30.0, within=_POSITIVE)
    colour_scale: float = entry(10.0, within=_POSITIVE)
    aggregation: int = 1


@dataclass(frozen=True)
class SurfaceDeclaration:
    """The Markov random field, see :func:`mmgraph.spatial.stereo.stereo_graph`."""

    strength: float = entry(within=(0, 1e9))
    truncation: float = entry(within=_POSITIVE)
    across_edges: float = entry(within=(0, 1))
    scale: float = entry(within=_POSITIVE)
    unmatched: float = entry(1.0, within=(0, 1))
    neighbours: int = 4


@dataclass(frozen=True)
class SearchDeclaration:
    """How a labelling of low energy is found: a method of ``map_query`` and its iterations."""

    method: str = entry("trws", among=("trws",))
    iterations: int = entry(40, within=(1, 10**6))


@dataclass(frozen=True)
class StereoReport:
    """What is reported: a disparity that is off by more pixels than the tolerance is bad.

    The truth of the rows ``unseen_from_row`` on was not looked at when the settings were chosen.
    """

    tolerance: float = entry(2.0, within=(0, 1e9))
    unseen_from_row: int = 0


@dataclass(frozen=True, kw_only=True)
class StereoDeclaration(ReadyModel):
    """A ready model of the kind ``stereo``; its attributes are the tables of these names."""

    cost: CostDeclaration
    field: SurfaceDeclaration
    search: SearchDeclaration
    report: StereoReport


def read_stereo(name: str | os.PathLike[str]) -> StereoDeclaration:
    """Read the declaration of a stereo job."""
    reader = Reader(name)
    reader.only("kind", "title", "data", "cost", "field", "search", "report")
    return reader.declaration(StereoDeclaration)
