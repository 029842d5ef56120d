"""Dask data frames: the same parameters, rows and predictions as in one process."""

from __future__ import annotations

import os

import dask
import dask.dataframe
import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.beyond_memory.distinct_rows import distinct_rows
from mmgraph.data.beyond_memory.partitions import reduced
from mmgraph.data.encoding import CodedTable
from mmgraph.data.tables import open_table
from mmgraph.graph import errors
from mmgraph.learning.conditionals.parameters import learn_parameters
from mmgraph.learning.counts import IncompleteDataError

RANDOM = np.random.default_rng(0)
ROWS = 3000
KIND = RANDOM.integers(0, 3, ROWS)
FRAME = pd.DataFrame(
    {
        "kind": np.array(["a", "b", "c"])[KIND],
        "size": RANDOM.binomial(3, 0.2 + 0.2 * KIND),
        "x": 5 * KIND + RANDOM.normal(size=ROWS),
    }
)
FRAME["y"] = 2 * FRAME["x"] + RANDOM.normal(size=ROWS)
FRAME["kind"] = pd.Categorical(FRAME["kind"], ["b", "a", "c"])
EDGES = [("kind", "size"), ("kind", "x"), ("x", "y")]


@pytest.fixture(autouse=True)
def one_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def partitioned(frame: pd.DataFrame = FRAME, count: int = 20):
    return dask.dataframe.from_pandas(frame, npartitions=count, sort=False)


def check_alike(one, other) -> None:
    """Both lists of distributions have the same numbers."""
    for mine, yours in zip(one, other, strict=True):
        for name in mine.tensor_names or ("values",):
            torch.testing.assert_close(
                getattr(mine, name), getattr(yours, name), rtol=1e-9, atol=1e-9
            )


@pytest.mark.parametrize("frame", [FRAME, FRAME.rename(columns={"size": 7})], ids=["texts", "any"])
def test_parameters_are_those_of_the_whole(frame):
    edges = [tuple("7" if n == "size" and 7 in frame else n for n in e) for e in EDGES]
    whole = mm.BayesianNetwork.from_data(frame, edges, equivalent_sample_size=2.0)
    parts = mm.BayesianNetwork.from_data(partitioned(frame), edges, equivalent_sample_size=2.0)
    check_alike(whole.factors, parts.factors)
    assert parts.variables["kind"].labels == ("b", "a", "c")


def test_categories_that_dask_does_not_know_are_looked_for():
    frame = partitioned(FRAME[["kind", "size"]])
    frame["kind"] = frame["kind"].astype(str).astype("category")
    assert not frame["kind"].cat.known
    learned = mm.BayesianNetwork.from_data(frame, EDGES[:1])
    assert learned.variables["kind"].labels == ("a", "b", "c")


def test_leaves_start_from_the_same_rows():
    kind, x = mm.Variable("kind", ("a", "b", "c")), mm.Variable("x", family="gaussian")
    table = mm.TableFactor([kind], np.full(3, 1 / 3), child=kind)
    network = mm.BayesianNetwork(
        [kind, x], [table, mm.GaussianLeaf(x, [kind], np.zeros((3, 1)), np.ones((3, 1, 1)))]
    )
    frame = FRAME[["kind", "x"]]
    check_alike(learn_parameters(network, frame), learn_parameters(network, partitioned(frame)))


def test_an_empty_partition_counts_nothing_and_weights_count():
    network = mm.BayesianNetwork.from_data(FRAME, EDGES)
    few = FRAME.sort_values("x")
    some = partitioned(few)
    learned = learn_parameters(network, some[some["x"] > 1])
    check_alike(learned, learn_parameters(network, few[few["x"] > 1]))
    weights = RANDOM.random(ROWS)
    weighted = learn_parameters(network, partitioned(), weights=weights)
    check_alike(weighted, learn_parameters(network, FRAME, weights=weights))


def test_missing_cells_are_learned_from_partition_by_partition():
    frame = FRAME[["kind", "size"]].copy()
    frame.loc[RANDOM.random(ROWS) < 0.2, "kind"] = None
    whole = mm.BayesianNetwork.from_data(frame, EDGES[:1], equivalent_sample_size=1.0)
    parts = mm.BayesianNetwork.from_data(partitioned(frame), EDGES[:1], equivalent_sample_size=1.0)
    assert parts.fit_report.converged
    torch.testing.assert_close(
        whole.distribution("size").values, parts.distribution("size").values, rtol=1e-3, atol=1e-3
    )


def test_distinct_rows_are_those_of_the_whole():
    variables = {"kind": mm.Variable("kind", ("a", "b", "c")), "size": mm.Variable("size", 4)}
    frame = FRAME[["kind", "size"]]
    for data in (frame, partitioned(frame)):
        codes, counts = distinct_rows(data, variables)
        order = np.lexsort(codes.T)
        if data is frame:
            expected = codes[order], counts[order]
    np.testing.assert_array_equal(codes[order], expected[0])
    np.testing.assert_array_equal(counts[order], expected[1])


def test_predictions_are_lazy_and_those_of_the_whole():
    network = mm.BayesianNetwork.from_data(FRAME, EDGES)
    rows = FRAME.drop(columns="kind").set_index(np.arange(ROWS) + 5)
    lazy = network.predict_proba(partitioned(rows), "kind")
    assert list(lazy.columns) == ["b", "a", "c"]
    assert lazy.npartitions > 1
    computed = lazy.compute()
    np.testing.assert_allclose(computed.to_numpy(), network.predict_proba(rows, "kind"))
    assert (computed.index == rows.index).all()
    assert (network.predict(partitioned(rows)).compute() == network.predict(rows)).all()
    series = network.predict(partitioned(rows.drop(columns="x")), "x").compute()
    np.testing.assert_allclose(series, network.predict(rows.drop(columns="x"), "x"))
    both = network.predict(partitioned(rows[["x"]]), ["kind", "size"]).compute()
    expected = network.predict(rows[["x"]], ["kind", "size"])
    assert (both.to_numpy() == expected.to_numpy()).all()
    empty = partitioned(rows)
    none = network.predict_proba(empty[empty["x"] > 1e9], "kind").compute()
    assert none.shape == (0, 3)
    assert network.score(partitioned(rows)) == pytest.approx(network.score(rows))


def test_what_is_wrong_is_told_with_its_place():
    network = mm.BayesianNetwork.from_data(FRAME, EDGES)
    wrong = FRAME.assign(kind=FRAME["kind"].astype(object))
    wrong.loc[2999, "kind"] = "d"
    with pytest.raises(errors.UnknownStateError, match=r"partition 19, row 149.*no state 'd'"):
        learn_parameters(network, partitioned(wrong))
    with pytest.raises(errors.UnknownVariableError, match="the Dask data frame: the column 'z'"):
        learn_parameters(network, partitioned(FRAME.assign(z=1)))
    nothing = partitioned()
    with pytest.raises(errors.LearningError, match="the Dask data frame has no rows"):
        learn_parameters(
            mm.BayesianNetwork.from_data(FRAME, EDGES[:1], variables=["kind", "size"]),
            nothing[nothing["x"] > 1e9][["kind", "size"]],
        )
    with pytest.raises(errors.EvidenceError, match="a column of every variable"):
        network.predict(partitioned())
    with pytest.raises(errors.UnknownVariableError, match="'mass'"):
        network.predict_proba(partitioned(), "mass")


@pytest.mark.slow
def test_two_processes_learn_and_predict_as_one(tmp_path):
    from distributed import Client, LocalCluster

    network = mm.BayesianNetwork.from_data(FRAME, EDGES)
    cluster = LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        local_directory=tmp_path,
    )
    with cluster, Client(cluster), dask.config.set(scheduler=None):
        frame = partitioned(count=6)
        check_alike(network.factors, mm.BayesianNetwork.from_data(frame, EDGES).factors)
        rows = frame[["x", "y"]]
        answers = network.predict_proba(rows, "kind").compute()
        variables = {n: network.variable(n) for n in ("kind", "size")}
        distinct = distinct_rows(frame[["kind", "size"]], variables)
        table = CodedTable(open_table(frame[["kind", "size"]]), variables)
        assert os.getpid() not in reduced(table, lambda chunks: {os.getpid()}, set.union)
        with pytest.raises(IncompleteDataError, match="no column 'kind'"):
            learn_parameters(network, frame[["x", "y"]])
    np.testing.assert_allclose(answers, network.predict_proba(FRAME[["x", "y"]], "kind"))
    assert distinct.weights.sum() == ROWS
