"""Distributions along learned edges: from the rows in which no experiment set the child."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import LearningError, UnknownVariableError
from mmgraph.learning.counts import IncompleteDataError
from mmgraph.learning.structure.bootstrap import Frequencies
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.learned_structure import LearnedStructure


def chain(*names: str) -> LearnedStructure:
    adjacency = np.eye(len(names), k=1, dtype=bool)
    modalities = {names[0]: "genome"}
    return LearnedStructure.of_graph(
        Constraints.of(names), adjacency, score=None, method="by hand", modalities=modalities
    )


def table(rows: int = 600) -> dict[str, np.ndarray]:
    """Three switches in a row, of which b, and a with c, are set in a third of the rows each."""
    random = np.random.default_rng(0)
    flips = random.random((3, rows)) < [[0.4], [0.2], [0.1]]
    set_ = np.array(["", "b", "a, c"], object)[np.arange(rows) % 3]
    a = np.where(set_ == "a, c", 1, flips[0])
    b = np.where(set_ == "b", 0, a ^ flips[1])
    c = np.where(set_ == "a, c", 0, b ^ flips[2])
    return {"a": a, "b": b, "c": c, "set": set_}


def shares(rows: dict[str, np.ndarray], child: str, parent: str) -> np.ndarray:
    counts = np.zeros((2, 2))
    np.add.at(counts, (rows[parent], rows[child]), 1)
    return counts / counts.sum(1, keepdims=True)


def test_a_variable_skips_the_rows_in_which_it_was_set():
    rows = table()
    net = mm.BayesianNetwork.from_structure(chain("a", "b", "c"), rows, interventions="set")
    assert net.edges == (("a", "b"), ("b", "c"))
    assert net.variables["a"].modality == "genome"
    for child, parent, setting in (("b", "a", "b"), ("c", "b", "a, c")):
        left = {n: column[rows["set"] != setting] for n, column in rows.items()}
        wanted = mm.BayesianNetwork.from_data({n: left[n] for n in "abc"}, net.edges)
        learned = net.distribution(child).values
        np.testing.assert_allclose(learned, wanted.distribution(child).values)
        np.testing.assert_allclose(learned, shares(left, child, parent))
    assert float(mm.query(net).marginal("a")[0, 1]) == pytest.approx(
        rows["a"][rows["set"] != "a, c"].mean()
    )
    naive = mm.BayesianNetwork.from_structure(chain("a", "b", "c"), rows)
    np.testing.assert_allclose(naive.distribution("b").values, shares(rows, "b", "a"))


def test_weights_priors_and_posteriors_go_along():
    rows = table()
    twice = {**rows, "often": np.full(len(rows["a"]), 2.0)}
    options = {"interventions": "set", "equivalent_sample_size": 4.0, "posterior": True}
    net = mm.BayesianNetwork.from_structure(chain("a", "b", "c"), twice, weights="often", **options)
    assert list(net.parameter_posterior) == ["a", "b", "c"]
    left = rows["set"] != "b"
    counts = np.zeros((2, 2))
    np.add.at(counts, (rows["a"][left], rows["b"][left]), 2)
    np.testing.assert_allclose(net.parameter_posterior["b"].counts, counts + 1)
    np.testing.assert_allclose(
        net.distribution("b").values, net.parameter_posterior["b"].mean().values
    )


def test_measurements_have_regressions_of_such_rows():
    random = np.random.default_rng(1)
    x = random.normal(size=300)
    y = np.where(np.arange(300) < 100, 5.0, 2 * x + 0.1 * random.normal(size=300))
    rows = {"x": x, "y": y, "set": np.where(np.arange(300) < 100, "y", "")}
    net = mm.BayesianNetwork.from_structure(chain("x", "y"), rows, interventions="set")
    assert net.distribution("y").coefficients.item() == pytest.approx(2, abs=0.05)


def test_the_consensus_is_another_graph():
    rows = table()
    found = chain("a", "b", "c")
    with pytest.raises(LearningError, match="no consensus"):
        mm.BayesianNetwork.from_structure(found, rows, consensus=True)
    arcs = np.zeros((3, 3))
    arcs[0, 1] = 1.0
    averaged = found.with_frequencies(Frequencies(arcs, 10))
    net = mm.BayesianNetwork.from_structure(averaged, rows, consensus=True)
    assert net.edges == (("a", "b"),)


def test_bad_input_is_named():
    rows = table()
    found = chain("a", "b", "c")
    always = {**rows, "set": np.full(len(rows["a"]), "b")}
    with pytest.raises(LearningError, match="'b' is set by the experiment in every row"):
        mm.BayesianNetwork.from_structure(found, always, interventions="set")
    with pytest.raises(UnknownVariableError, match=r"names 'sett'.*did you mean 'set'"):
        mm.BayesianNetwork.from_structure(found, rows, interventions="sett")
    with pytest.raises(UnknownVariableError, match="'c'"):
        mm.BayesianNetwork.from_structure(found, {"a": rows["a"], "b": rows["b"]})
    with_gaps = {**rows, "a": np.where(np.arange(600) == 3, np.nan, rows["a"])}
    with pytest.raises(IncompleteDataError, match="interventions take complete rows"):
        mm.BayesianNetwork.from_structure(found, with_gaps, interventions="set")
    partial = LearnedStructure(("a", "b"), [], None, "FCI", ([], []), pag=[("a", "o->", "b")])
    with pytest.raises(LearningError, match="no directions"):
        mm.BayesianNetwork.from_structure(partial, rows)
