"""Measurements under experiments that act on some of them, and the graphs that are accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.experiments.structure.declaration import StructureDeclaration
from mmgraph.graph.errors import DatasetError, suggestion

Edge = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Experiments:
    """Measurements, the experiment of each row, and what each of them brings about.

    Attributes
    ----------
    columns : tuple of str
    values : float64 array, shape (rows, columns)
    experiment : int64 array, shape (rows,)
        Index into ``names``.
    names : tuple of str
    acts_on : dict of int to (int, bool)
        By experiment: the column that it acts on, and whether it raises it.
    accepted : dict of str to set of (cause, effect)
        Published graphs by name.
    """

    columns: tuple[str, ...]
    values: Float64[np.ndarray, "rows columns"]
    experiment: Int64[np.ndarray, " rows"]
    names: tuple[str, ...]
    acts_on: Mapping[int, tuple[int, bool]]
    accepted: Mapping[str, frozenset[Edge]]

    def without(self, experiment: str) -> Experiments:
        """Return all rows but those of an experiment."""
        left = self.experiment != self.names.index(experiment)
        return replace(self, values=self.values[left], experiment=self.experiment[left])


def load_experiments(declaration: StructureDeclaration) -> Experiments:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If it is no table of experiments with published graphs, or lacks what is declared.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    parts = ("frame", "experiment", "experiments", "interventions", "published_edges")
    if not all(hasattr(loaded, part) for part in (*parts, "consensus_edges")):
        raise DatasetError(f"'{declaration.dataset}' is no table of experiments that set columns")
    graphs = (loaded.published_edges, loaded.consensus_edges)
    first_rows = [int((loaded.experiment == e).argmax()) for e in range(len(loaded.experiments))]
    return experiments(
        {str(name): loaded.frame[name].to_numpy(np.float64) for name in loaded.frame},
        loaded.experiment,
        loaded.experiments,
        [str(loaded.interventions[row]) for row in first_rows],
        {f"{len(edges)} arcs": frozenset(edges) for edges in graphs},
        declaration,
    )


def experiments(
    table: Mapping[str, Float64[np.ndarray, " rows"]],
    experiment: Int64[np.ndarray, " rows"],
    names: Sequence[str],
    set_columns: Sequence[str],
    accepted: Mapping[str, frozenset[Edge]],
    declaration: StructureDeclaration,
) -> Experiments:
    """Return measurements as a declaration wants them; errors as :func:`load_experiments`.

    ``set_columns`` has the column that each experiment acts on, empty where none.
    """
    where, columns, levels = f"'{declaration.dataset}'", tuple(table), declaration.levels
    effect = declaration.effect
    for name in (*levels, effect.experiment, effect.reference):
        if name not in names:
            raise DatasetError(f"{where} has no experiment '{name}'{suggestion(name, names)}")
    if effect.outcome not in columns:
        hint = suggestion(effect.outcome, columns)
        raise DatasetError(f"{where} has no column '{effect.outcome}'{hint}")
    acts_on = {}
    for number, (name, column) in enumerate(zip(names, set_columns, strict=True)):
        if bool(column) != (name in levels):
            what = f"acts on '{column}': say its level" if column else "acts on no column"
            raise DatasetError(f"[levels]: the experiment '{name}' of {where} {what}")
        if column:
            acts_on[number] = (columns.index(column), levels[name] == "highest")
    if effect.experiment not in levels:
        raise DatasetError(f"[effect]: the experiment '{effect.experiment}' acts on no column")
    codes = np.asarray(experiment, np.int64)
    values = np.column_stack(list(table.values()))
    return Experiments(columns, values, codes, tuple(names), acts_on, accepted)
