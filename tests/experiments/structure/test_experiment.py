"""The job of a structure: a small run, its counts and pictures, the effect, going on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.experiments import experiment
from mmgraph.experiments.structure import experiment as job_module
from mmgraph.experiments.structure import peers
from mmgraph.experiments.structure.experiment import against
from mmgraph.graph.errors import MmgraphError
from tests.experiments.structure.small_experiments import SMALL, small_experiments


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "three.toml"
    path.write_text(SMALL)
    monkeypatch.setattr(job_module, "load_experiments", small_experiments)
    for peer in peers.PEERS:  # which are asked by a test of their own
        monkeypatch.setitem(peers.PEERS, peer, ("no_such_package", "benchmark", None))
    return path


def test_edges_are_counted_beside_an_accepted_graph():
    accepted = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]
    figures = against([("a", "b"), ("c", "b"), ("a", "d")], accepted)
    assert figures == {"right": 1, "reversed": 1, "false": 1, "missing": 2, "shd": 4}
    both_ways = [("a", "b"), ("b", "a")]
    assert against([("a", "b")], both_ways) == {
        "right": 1, "reversed": 0, "false": 0, "missing": 0, "shd": 1,
    }  # fmt: skip
    assert against([], accepted)["missing"] == 4


def test_a_run_finds_the_graph_and_predicts_the_effect(model: Path, tmp_path: Path, rendered: None):
    report = experiment.run(model, tmp_path / "out")
    names = ["graph.png", "effect.png", "results.json"]
    assert [Path(f).name for f in report["files"]] == names
    assert all(Path(f).stat().st_size > 1000 for f in report["files"])
    rows = {(row["graph"], row["beside"]): row for row in report["results"]}
    assert list(dict.fromkeys(graph for graph, _ in rows)) == [
        "the model", "the model, averaged at 0.8", "by BIC", "by BIC, averaged at 0.8",
    ]  # fmt: skip
    for graph in ("the model", "the model, averaged at 0.8"):
        beside_chain, beside_other = rows[graph, "2 arcs"], rows[graph, "1 arc"]
        assert (beside_chain["right"], beside_chain["missing"]) == (2, 0)
        assert beside_chain["shd"] <= 1  # levels of b do not tell all that a says of c
        assert (beside_other["right"], beside_other["reversed"]) == (0, 1)
    effect = report["effect"]
    assert (effect["sets"], effect["outcome"], effect["confidence"]) == ("b", "c", 1.0)
    measured = effect["measured"]
    assert measured["with"][0] > measured["without"][0] + 0.4
    for shares in effect["predicted"].values():
        assert np.abs(np.subtract(shares["without"], measured["without"])).max() < 0.1
        assert shares["with"][0] > shares["without"][0] + 0.2  # b is never so low in other rows
    assert report["words"][0] == "pyAgrum is not installed (extra benchmark), and not compared."
    assert "when b is set to (-inf, -0." in report["words"][-1]
    assert f"from {measured['without'][0]:.2f} to" in report["words"][-1]


def test_a_run_goes_on_where_it_stopped(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = experiment.run(model, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "results.json").read_text())["effect"] == first["effect"]

    def refuses(*_: object, **__: object):
        raise AssertionError("it has been done")

    monkeypatch.setattr(job_module.Learner, "graph", refuses)
    again = experiment.run(model, tmp_path / "out")
    assert again["results"] == first["results"]
    with pytest.raises(MmgraphError, match="no folds"):
        experiment.run(model, folds=1)


@pytest.mark.parametrize("peer", ["pyAgrum", pytest.param("pgmpy", marks=pytest.mark.slow)])
def test_a_peer_learns_from_the_same_states(peer: str):
    pytest.importorskip(peers.PEERS[peer][0])
    random = np.random.default_rng(0)
    a = random.integers(0, 3, 300)
    states = {"a": a, "b": (a + (random.random(300) < 0.1)) % 3, "c": random.integers(0, 3, 300)}
    graphs = list(peers.PEERS[peer][2](states, 10.0))
    assert len({how for how, _, _ in graphs}) == len(graphs) > 2
    for _, edges, seconds in graphs:
        assert ("a", "b") in edges or ("b", "a") in edges
        assert seconds >= 0


def test_the_network_of_the_same_name_is_read_by_its_name():
    pytest.importorskip("pgmpy")
    assert len(mm.read("sachs").edges) == 17


@pytest.mark.slow
def test_the_real_one_reaches_what_is_reported(tmp_path: Path):
    """Sixteen arcs right with nine others at most, as the averaged graph at .7."""
    pytest.importorskip("pandas")
    from mmgraph.experiments.structure.declaration import read_structure

    declaration = read_structure("sachs")
    job = job_module.job("sachs", None)
    answer = job.steps(None)[0].run(lambda *_: None, None)
    (accepted, *_) = job.data.accepted.values()
    averaged = {
        threshold: against(job.structure(answer, threshold).consensus, accepted)
        for threshold in declaration.bootstrap.thresholds
    }
    assert averaged[0.7]["right"] >= 15
    assert averaged[0.7]["reversed"] + averaged[0.7]["false"] <= 9
    assert averaged[0.95]["shd"] <= 8
    best = against(job.structure(answer, 1.0).edges, accepted)
    assert best["right"] >= 14
