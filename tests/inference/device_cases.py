"""Models, evidence and options with which every method is asked on a device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.inference.methods import methods_for
from tests.inference.models import seeded
from tests.inference.spatial_models import mixed_graph
from tests.learning.boltzmann_machines import machine

MESSAGES = {"schedule": "parallel", "damping": 0.3, "iterations": 4, "tolerance": 0.0}
"""So few passes that they are cheap: those on a device are, pass by pass, those of the CPU."""


def sprinkler(gradients: bool = False) -> mm.BayesianNetwork:
    """A table over three variables with hard zeros, and an observed leaf with two parents."""
    rain, sprinkler, wet = (mm.Variable(n, 2) for n in ("rain", "sprinkler", "wet"))
    grass = mm.Variable("grass", shape=(2,), family="gaussian")
    table = torch.tensor([[[1.0, 0.0], [0.1, 0.9]], [[0.2, 0.8], [0.01, 0.99]]]).double()
    prior = torch.tensor([0.8, 0.2], dtype=torch.float64, requires_grad=gradients)
    means = [[[0.0, 0.0], [1.0, 0.5]], [[1.5, 1.0], [2.0, 2.0]]]
    leaf = mm.GaussianLeaf(
        grass, [sprinkler, wet], means=means, covariances=np.ones((2, 2, 2)), covariance="diagonal"
    )
    return mm.BayesianNetwork(
        [rain, sprinkler, wet, grass],
        [
            mm.TableFactor([rain], prior, child=rain),
            mm.TableFactor([rain, sprinkler], [[0.6, 0.4], [0.99, 0.01]], child=sprinkler),
            mm.TableFactor([rain, sprinkler, wet], table, child=wet),
            leaf,
        ],
    )


GRASS = {"grass": [[0.9, float("nan")], [float("nan"), 1.7]], "rain": [None, 1]}
"""Two rows, which observe different things."""

MODELS = {
    "network": (sprinkler, GRASS),
    "field": (lambda: mixed_graph(0), {"a": [0, 1], "b": [None, 2]}),
    "hard zeros": (lambda: mixed_graph(1, zeros=True), {"a": [0, 1], "b": [None, 2]}),
    "machine": (machine, {"h1": [[0, None], [None, None]]}),
}
FEW = {"draws": 20, "burn_in": 4, "chains": 60}
OPTIONS = {
    "belief_propagation": MESSAGES,
    "tree_reweighted": MESSAGES,
    "mean_field": {"tolerance": 0.0, "iterations": 8},
    "trws": {"iterations": 2},
    "max_product": {"iterations": 3},
    "gibbs": FEW,
    "parallel_tempering": {**FEW, "temperatures": [1.0, 3.0]},
    "annealed_importance_sampling": {"steps": 12, "chains": 300},
}
SAMPLERS = ("gibbs", "parallel_tempering", "annealed_importance_sampling")


def models_of(question: str, method: str) -> list[str]:
    """The models that a method answers for: layers by summation, others not."""
    if method == "layer_summation" or (question, method) == ("sample", "parallel_tempering"):
        return ["machine"]
    if question == "joint":
        return ["network", "field", "hard zeros"]
    return list(MODELS)


def cases(question: str) -> list:
    """Each method of a question on each kind of model; the slow ones are marked so."""
    found = []
    for method in (m.name for m in methods_for(question) if not m.cpu_alone):
        for kind in models_of(question, method):
            slow = method == "parallel_tempering" or (method in OPTIONS and kind != "network")
            marks = [pytest.mark.slow] if slow else []
            found.append(pytest.param(method, kind, marks=marks))
    return found


def given(kind: str) -> tuple:
    make, evidence = MODELS[kind]
    if kind == "machine":
        evidence = {"h1": np.array([[0.0, np.nan], [np.nan, np.nan]])}
    return make(), evidence


def options_of(method: str) -> dict:
    return dict(OPTIONS.get(method, {})) | ({"generator": seeded()} if method in SAMPLERS else {})


def assert_close(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(found.cpu().double(), wanted.double(), rtol=0, atol=tolerance)
