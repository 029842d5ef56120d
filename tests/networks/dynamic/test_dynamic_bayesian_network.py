"""Dynamic Bayesian networks: declared, learned, written and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import ConvergenceWarning, FormatError, GraphError, ZeroProbabilityError

Z, BEFORE = mm.Variable("z", ["calm", "busy"]), mm.Variable("z[-1]", ["calm", "busy"])
Y, X = mm.Variable("y", 3), mm.Variable("x", shape=(1,), family="gaussian")
MOVES = [[0.9, 0.1], [0.3, 0.7]]


def network(
    means: tuple[float, float] = (0.0, 3.0), moves: list[list[float]] = MOVES
) -> mm.DynamicBayesianNetwork:
    def emitted() -> list[mm.Factor]:
        leaf = mm.GaussianLeaf(
            X,
            [Z],
            means=[[means[0]], [means[1]]],
            covariances=np.ones((2, 1)),
            covariance="diagonal",
        )
        table = mm.TableFactor([Z, Y], [[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]], child=Y)
        return [leaf, table]

    start = mm.TableFactor([Z], [0.8, 0.2], child=Z)
    unused = mm.TableFactor([BEFORE], [0.5, 0.5], child=BEFORE)
    step = mm.TableFactor([BEFORE, Z], moves, child=Z)
    return mm.DynamicBayesianNetwork(
        mm.BayesianNetwork([Z, Y, X], [start, *emitted()]),
        mm.BayesianNetwork([BEFORE, Z, Y, X], [unused, step, *emitted()]),
    )


def drawn(net: mm.DynamicBayesianNetwork, lengths: list[int]) -> dict[str, list[np.ndarray]]:
    generator = torch.Generator().manual_seed(3)
    paths = [mm.sample(net, 1, None, generator, length=n) for n in lengths]
    return {name: [np.asarray(p[name][0]) for p in paths] for name in ("z", "y", "x")}


def test_complete_sequences_are_counted() -> None:
    data = drawn(network(), [40, 1, 60])
    net = network((-1.0, 1.0), [[0.5, 0.5], [0.5, 0.5]])
    net.fit(data, floor=0.0)
    moves, starts = np.zeros((2, 2)), np.zeros(2)
    for z in data["z"]:
        codes = (z == "busy").astype(int)
        starts[codes[0]] += 1
        np.add.at(moves, (codes[:-1], codes[1:]), 1)
    table = net.transition.distribution("z").conditional_table()
    np.testing.assert_allclose(table, moves / moves.sum(1, keepdims=True), atol=1e-12)
    first = net.first_slice.distribution("z").conditional_table()
    np.testing.assert_allclose(first, starts / starts.sum(), atol=1e-12)
    z, x, y = (np.concatenate(data[n]) for n in ("z", "x", "y"))
    leaf, emitted = net.transition.distribution("x"), net.first_slice.distribution("y")
    for k, state in enumerate(("calm", "busy")):
        rows = x[z == state]
        np.testing.assert_allclose(leaf.means[k], rows.mean(0), atol=1e-10)
        np.testing.assert_allclose(leaf.covariances[k], rows.var(0), atol=1e-10)
        share = np.bincount(y[z == state], minlength=3) / (z == state).sum()
        np.testing.assert_allclose(emitted.conditional_table()[k], share, atol=1e-12)


def test_hidden_states_are_learned_and_the_likelihood_never_falls() -> None:
    data = drawn(network(), [200, 30, 1, 120])
    rows = {"x": data["x"], "y": [y.astype(object) for y in data["y"]]}
    for column in rows["y"]:
        column[::3] = None
    rows["x"] = [np.where(np.arange(len(x))[:, None] % 5 == 0, np.nan, x) for x in rows["x"]]
    net = network((0.5, 2.0), [[0.6, 0.4], [0.4, 0.6]])
    before = float(mm.log_partition(net, rows).sum())
    net.fit(rows, iterations=60, tolerance=1e-7)
    report = net.fit_report
    assert report is not None
    assert report.log_likelihoods[0] == pytest.approx(before)
    assert report.log_likelihood == pytest.approx(float(mm.log_partition(net, rows).sum()))
    assert min(np.diff(report.objectives)) >= -1e-9 * abs(before)
    assert net.transition.distribution("z").conditional_table()[0, 0] > 0.75
    paths = mm.map_query(net, rows, ["z"])
    agree = [
        (np.array(["calm", "busy"])[paths["z"][i, : len(z)]] == z).mean()
        for i, z in enumerate(data["z"])
    ]
    assert np.average(agree, weights=[len(z) for z in data["z"]]) > 0.85


def test_a_fit_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    rows = {"x": drawn(network(), [80, 50])["x"]}
    whole, parts = network((0.5, 2.0)), network((0.5, 2.0))
    with pytest.warns(ConvergenceWarning, match="ended after 6 iterations"):
        whole.fit(rows, iterations=6, tolerance=0)
    with pytest.warns(ConvergenceWarning):
        parts.fit(rows, iterations=2, tolerance=0, checkpoint=tmp_path)
    again = network((0.5, 2.0))
    with pytest.warns(ConvergenceWarning):
        again.fit(rows, iterations=6, tolerance=0, checkpoint=tmp_path)
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    with pytest.raises(FormatError, match="differ"):
        network().fit({"x": drawn(network(), [20])["x"]}, checkpoint=tmp_path)


def test_files_give_the_same_answers(tmp_path: Path) -> None:
    net = network()
    mm.write(net, tmp_path / "net.mmgraph")
    again = mm.read(tmp_path / "net.mmgraph")
    rows = {"x": drawn(net, [30])["x"]}
    assert torch.equal(mm.log_partition(net, rows), mm.log_partition(again, rows))
    assert again.transition.edges == net.transition.edges


def test_slices_that_do_not_fit_are_refused() -> None:
    net = network()
    with pytest.raises(GraphError, match="first_slice is a Bayesian network, not dict"):
        mm.DynamicBayesianNetwork({}, net.transition)  # type: ignore[arg-type]
    alone = mm.BayesianNetwork([Z], [mm.TableFactor([Z], [0.5, 0.5], child=Z)])
    with pytest.raises(GraphError, match="speaks of 'y', which is not in slice 0"):
        mm.DynamicBayesianNetwork(alone, net.transition)
    two = mm.Variable("z[-2]", ["calm", "busy"])
    second = mm.BayesianNetwork(
        [two, Z],
        [
            mm.TableFactor([two], [0.5, 0.5], child=two),
            mm.TableFactor([two, Z], [[0.5, 0.5], [0.5, 0.5]], child=Z),
        ],
    )
    with pytest.raises(GraphError, match="reaches 2 slices back needs 2 first slices"):
        mm.DynamicBayesianNetwork(alone, second)
    other = mm.Variable("z[-1]", 3)
    wrong = mm.BayesianNetwork(
        [other, Z],
        [
            mm.TableFactor([other], np.full(3, 1 / 3), child=other),
            mm.TableFactor([other, Z], np.full((3, 2), 0.5), child=Z),
        ],
    )
    with pytest.raises(GraphError, match=r"'z\[-1\]' of the transition has other states"):
        mm.DynamicBayesianNetwork(alone, wrong)
    with pytest.raises(GraphError, match="at least one step"):
        net.unrolled(0)


def test_rows_that_the_first_distributions_exclude_are_named() -> None:
    net = network(moves=[[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ZeroProbabilityError, match="sequence 1 is impossible from step 2 on"):
        net.fit({"z": [["calm", "calm"], ["busy", "busy", "calm"]]})
