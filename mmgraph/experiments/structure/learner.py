"""From measurements under experiments to a graph, and how often it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from mmgraph.data.discretisation.intervals import Intervals
from mmgraph.data.discretisation.methods import discretised
from mmgraph.experiments.structure.data import Experiments
from mmgraph.experiments.structure.declaration import CUTS_FROM, VariantDeclaration
from mmgraph.learning.structure.bootstrap import Frequencies, bootstrap
from mmgraph.learning.structure.learn_structure import learn_structure
from mmgraph.learning.structure.learned_structure import LearnedStructure

SET = "set by the experiment"
"""The column that names what each row's experiment set."""

_FEW_RESTARTS = 5
Rows = Int64[np.ndarray, " rows"]


class Learner:
    """Learns graphs of experiments as a variant says.

    Attributes
    ----------
    rows : int64 array
        Those of the data that are neither outliers nor left out by the draw.
    """

    def __init__(self, data: Experiments, variant: VariantDeclaration, seed: int) -> None:
        self.data, self.variant, self.seed = data, variant, seed
        self.rows = np.flatnonzero(~_outliers(data, variant.outliers))
        if variant.rows:
            random = np.random.default_rng(seed)
            experiment = data.experiment[self.rows]
            parts = [self.rows[experiment == e] for e in np.unique(experiment)]
            drawn = [random.choice(p, min(variant.rows, len(p)), replace=False) for p in parts]
            self.rows = np.sort(np.concatenate(drawn))

    def intervals(self, rows: Rows) -> dict[str, Intervals]:
        """Return the intervals of each column, found in some rows."""
        data, variant = self.data, self.variant
        values, experiment = data.values[rows].copy(), data.experiment[rows]
        if variant.cuts_from == CUTS_FROM[0]:
            values = values[~np.isin(experiment, list(data.acts_on))]
        elif variant.cuts_from == CUTS_FROM[1]:
            for number, (column, _) in data.acts_on.items():
                values[experiment == number, column] = np.nan
        columns = dict(zip(data.columns, values.T, strict=True))
        bins = dict.fromkeys(columns, variant.bins)
        return discretised(columns, variant.method, bins, variant.initial_bins)

    def states(self, rows: Rows, intervals: dict[str, Intervals]) -> dict[str, np.ndarray]:
        """Return the states of some rows by their numbers, and what was set in them."""
        data = self.data
        experiment = data.experiment[rows]
        codes = {n: intervals[n].codes(data.values[rows, i]) for i, n in enumerate(data.columns)}
        what = np.full(len(rows), "", object)
        for number, (column, is_raised) in data.acts_on.items():
            name, here = data.columns[column], experiment == number
            what[here] = name
            if not self.variant.as_measured:
                codes[name][here] = len(intervals[name]) - 1 if is_raised else 0
        return {**codes, SET: what}

    def graph(self, rows: Rows, restarts: int | None = None) -> LearnedStructure:
        """Return the best graph of some rows, which are cut into states first."""
        table = self.states(rows, self.intervals(rows))
        interventions: str | None = SET
        if not self.variant.experiments:
            del table[SET]
            interventions = None
        return learn_structure(
            table,
            score=self.variant.score,
            strength=self.variant.strength,
            interventions=interventions,
            restarts=restarts,
            generator=torch.Generator().manual_seed(self.seed),
        )

    def frequencies(
        self,
        replicates: int,
        progress: Callable[[int, int], object] | None = None,
        scratch: Path | None = None,
    ) -> Frequencies:
        """Return how often each arc comes back in rows of each experiment that are drawn anew.

        Each replicate begins with its own intervals, whose choice is uncertain, too.
        """

        def search(counts: Float64[np.ndarray, " rows"]) -> Bool[np.ndarray, "parents children"]:
            drawn = np.repeat(self.rows, counts.astype(np.int64))
            return self.graph(drawn, _FEW_RESTARTS).marks

        return bootstrap(
            search,
            len(self.rows),
            replicates,
            torch.Generator().manual_seed(self.seed),
            strata=self.data.experiment[self.rows],
            progress=progress,
            checkpoint=scratch,
            belongs_to=asdict(self.variant),
        )


def _outliers(data: Experiments, deviations: float) -> Bool[np.ndarray, " rows"]:
    """Which rows hold a measurement so far from its mean in their experiment; of 0 none."""
    far = np.zeros(len(data.values), bool)
    if deviations:
        for number in np.unique(data.experiment):
            here = data.experiment == number
            part = data.values[here]
            distance = np.abs(part - part.mean(0))
            far[here] = (distance > deviations * part.std(0)).any(1)
    return far
