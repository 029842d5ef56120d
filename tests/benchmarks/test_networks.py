"""The helpers of the benchmarks, on a network small enough to sum by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.benchmarks import networks

VARIABLES = {
    "rain": ["no/none", "1-5mm", ">5mm"],
    "sprinkler": ["off", "on"],
    "grass": ["dry", "wet"],
}
TABLES = {
    "sprinkler": (["rain"], np.array([[0.6, 0.4], [0.9, 0.1], [1.0, 0.0]])),
    "grass": (
        ["sprinkler", "rain"],
        np.array([[[1.0, 0.0], [0.4, 0.6], [0.1, 0.9]], [[0.2, 0.8], [0.05, 0.95], [0.0, 1.0]]]),
    ),
    "rain": ([], np.array([0.7, 0.2, 0.1])),
}
JOINT = np.einsum("r,rs,srg->rsg", TABLES["rain"][1], TABLES["sprinkler"][1], TABLES["grass"][1])


def test_pyagrum_has_the_same_tables(pyagrum):
    network = networks.to_pyagrum(VARIABLES, TABLES)
    for child, (parents, table) in TABLES.items():
        assert set(network.cpt(child).names) == {child, *parents}
        assert list(reversed(network.cpt(child).names)) == [*parents, child]
        np.testing.assert_array_equal(network.cpt(child).toarray(), table)


def test_pyagrum_has_the_same_posteriors(pyagrum):
    engine = pyagrum.LazyPropagation(networks.to_pyagrum(VARIABLES, TABLES))
    engine.setEvidence({"grass": 1})
    engine.makeInference()
    found = networks.pyagrum_marginals(engine, ["rain", "sprinkler"])
    wet = JOINT[:, :, 1]
    np.testing.assert_allclose(found["rain"], wet.sum(1) / wet.sum())
    np.testing.assert_allclose(found["sprinkler"], wet.sum(0) / wet.sum())
    assert engine.evidenceProbability() == pytest.approx(wet.sum())


def test_a_table_of_the_wrong_shape_is_named(pyagrum):
    tables = {**TABLES, "sprinkler": (["rain"], TABLES["sprinkler"][1].T)}
    with pytest.raises(ValueError, match="'sprinkler' has shape"):
        networks.to_pyagrum(VARIABLES, tables)


def test_pyagrum_runs_on_one_thread_and_the_number_comes_back(pyagrum):
    pyagrum.setNumberOfThreads(2)
    with networks.one_pyagrum_thread():
        assert pyagrum.getNumberOfThreads() == 1
        engine = pyagrum.LazyPropagation(networks.to_pyagrum(VARIABLES, TABLES))
        assert engine.getNumberOfThreads() == 1
    assert pyagrum.getNumberOfThreads() == 2


@pytest.mark.parametrize("change", [True, False])
def test_reused_engine_answers_each_row(pyagrum, change):
    rows = [{"grass": 1}, {"grass": 0}, {"grass": 1}]
    timing = networks.time_pyagrum_reused(
        networks.to_pyagrum(VARIABLES, TABLES), rows, change=change
    )
    assert len(timing.calls) == 2
    assert 0 < timing.best <= timing.median


def test_from_scratch_answers_each_row(pyagrum):
    network = networks.to_pyagrum(VARIABLES, TABLES)
    timing = networks.time_pyagrum_from_scratch(network, [{"grass": 1}, {"grass": 0}])
    assert len(timing.calls) == 1
    assert timing.first > 0


def test_forward_samples_follow_the_joint_and_are_possible():
    drawn = networks.forward_sample(TABLES, 200_000, seed=3)
    cells = np.ravel_multi_index([drawn["rain"], drawn["sprinkler"], drawn["grass"]], JOINT.shape)
    shares = np.bincount(cells, minlength=JOINT.size) / len(cells)
    np.testing.assert_allclose(shares, JOINT.ravel(), atol=0.005)
    assert (JOINT.ravel()[cells] > 0).all()


def test_forward_samples_do_not_depend_on_the_order_of_the_tables():
    turned = dict(reversed(TABLES.items()))
    one, other = (networks.forward_sample(tables, 50, seed=1) for tables in (TABLES, turned))
    assert all((one[name] == other[name]).all() for name in VARIABLES)


def test_observed_nodes_are_a_seeded_tenth():
    names = [f"x{index}" for index in range(40)]
    observed = networks.choose_observed(names, seed=5)
    assert len(observed) == len(set(observed)) == 4
    assert observed == networks.choose_observed(reversed(names), seed=5)
    assert observed != networks.choose_observed(names, seed=6)
    assert len(networks.choose_observed(names[:3])) == 1


def test_evidence_changes_from_row_to_row():
    rows = networks.evidence_rows(TABLES, ["grass", "rain"], rows=30, seed=0)
    assert all(row.keys() == {"grass", "rain"} for row in rows)
    assert len({tuple(row.items()) for row in rows}) > 1


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_network_is_bundled_with_pgmpy(name):
    pytest.importorskip("pgmpy")
    assert networks.bif_path(name).read_bytes()[:2] == b"\x1f\x8b"


def test_a_path_is_found_without_importing_pgmpy(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "pgmpy"]:
        monkeypatch.delitem(sys.modules, module)
    networks.bif_path("asia")
    assert "pgmpy" not in sys.modules
    with pytest.raises(FileNotFoundError, match="no network 'nowhere'"):
        networks.bif_path("nowhere")


def test_benchmark_fixture_is_deselected_unless_asked_for(benchmark):
    """Counted as deselected in a plain run; run once under --benchmark-disable."""
    assert benchmark(networks.choose_observed, VARIABLES) != []
