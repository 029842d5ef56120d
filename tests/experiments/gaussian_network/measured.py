"""A small table of measurements under experiments, and a declaration for it."""

from __future__ import annotations

import numpy as np

from mmgraph.experiments.gaussian_network.data import Measurements, measurements
from mmgraph.experiments.gaussian_network.declaration import GaussianNetworkDeclaration

COLUMNS = ("a", "b", "c")
EXPERIMENTS = ("plain", "raised", "blocked", "both")
GRAPH = (("a", "b"), ("b", "c"), ("c", "a"))
SMALL = """
kind = "gaussian_network"
title = "Three measurements"
[data]
dataset = "sachs"
[network]
turned = [["c", "a"]]
[[affected]]
name = "c"
columns = ["c"]
[[affected]]
name = "a"
columns = ["a"]
[discretised]
range = [1e-6, 1e6]
bins = [20]
equivalent_sample_sizes = [10.0]
[validation]
folds = 2
inner_folds = 2
"""


def table(rows: int = 400) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return measurements whose logarithms are linear, shifted by experiments, and these."""
    random = np.random.default_rng(0)
    experiment = np.arange(rows) * len(EXPERIMENTS) // rows
    a = random.normal(np.array([0.0, 2.0, -2.0, 1.0])[experiment], 1.0)
    b = random.normal(0.8 * a, 0.5)
    c = random.normal(0.5 * a - b, 0.5)
    return {"a": np.exp(a), "b": np.exp(b), "c": np.exp(c)}, experiment


def small_measurements(declaration: GaussianNetworkDeclaration) -> Measurements:
    """Return what a declaration makes of the table."""
    columns, experiment = table()
    return measurements(columns, experiment, EXPERIMENTS, GRAPH, declaration)
