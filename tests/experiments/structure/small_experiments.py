"""Three measurements in a row under experiments, and a declaration for them."""

from __future__ import annotations

import numpy as np

from mmgraph.experiments.structure.data import Experiments, experiments
from mmgraph.experiments.structure.declaration import StructureDeclaration

NAMES = ("plain", "other", "b blocked", "c raised")
SET = ("", "", "b", "c")
CHAIN = frozenset([("a", "b"), ("b", "c")])
SMALL = """
kind = "structure"
title = "Three measurements"
[data]
dataset = "sachs"
[levels]
"b blocked" = "lowest"
"c raised" = "highest"
[bootstrap]
replicates = 6
thresholds = [0.8]
[effect]
experiment = "b blocked"
reference = "plain"
outcome = "c"
[[variant]]
name = "the model"
outliers = 4.0
initial_bins = 12
[[variant]]
name = "by BIC"
score = "bic"
method = "quantile"
rows = 100
"""


def table(rows: int = 800) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return measurements, each close to the one before unless an experiment sets it."""
    random = np.random.default_rng(0)
    experiment = np.arange(rows) * len(NAMES) // rows
    a = random.normal(size=rows)
    b = np.where(experiment == 2, -3.0, a) + 0.4 * random.normal(size=rows)
    c = np.where(experiment == 3, 3.0, b) + 0.4 * random.normal(size=rows)
    b[experiment == 2] += 4.0  # it is measured to be high, and does what a low one does
    return {"a": a, "b": b, "c": c}, experiment


def small_experiments(declaration: StructureDeclaration) -> Experiments:
    """Return what a declaration makes of the table."""
    columns, experiment = table()
    accepted = {"2 arcs": CHAIN, "1 arc": frozenset([("b", "a")])}
    return experiments(columns, experiment, NAMES, SET, accepted, declaration)
