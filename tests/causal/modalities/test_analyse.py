"""Analyses of networks by their joint distribution, by draws and by rows, and of predictors."""

import json
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.causal.modalities.analyse import analyse_predictions
from mmgraph.causal.modalities.information.tables import mutual_information
from mmgraph.graph.errors import (
    EvidenceError,
    LearningError,
    MmgraphError,
    UnknownStateError,
    UnknownVariableError,
)
from mmgraph.learning.prediction.metrics import classification_metrics

ROWS = {name: [0, 1] for name in ("smoke", "xray", "dysp", "lung")}
MODALITIES = {"history": ["smoke", "asia"], "image": ["xray"], "signs": ["dysp", "bronc"]}


@pytest.fixture(scope="module")
def net():
    """Asia's numbers, with fewer rare states, so that rows tell something."""
    tables = {
        "asia": [0.8, 0.2],
        "smoke": [0.5, 0.5],
        "tub": [[0.9, 0.1], [0.6, 0.4]],
        "lung": [[0.9, 0.1], [0.5, 0.5]],
        "bronc": [[0.7, 0.3], [0.4, 0.6]],
        "xray": [[[0.9, 0.1], [0.2, 0.8]], [[0.1, 0.9], [0.05, 0.95]]],
        "dysp": [[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.1, 0.9]]],
    }
    edges = [
        ("asia", "tub"),
        ("smoke", "lung"),
        ("smoke", "bronc"),
        ("tub", "xray"),
        ("lung", "xray"),
        ("lung", "dysp"),
        ("bronc", "dysp"),
    ]
    where = {name: modality for modality, names in MODALITIES.items() for name in names}
    return mm.BayesianNetwork.from_tables(edges, tables, modalities=where)


@pytest.fixture(scope="module")
def exact(net):
    return mm.analyse_modalities(net, "lung")


@pytest.fixture(scope="module")
def rows(net):
    return mm.sample(net, 2000, generator=torch.Generator().manual_seed(3)).to_frame()


def test_exact_figures_are_those_of_the_joint_distribution(net, exact):
    names = [name for members in MODALITIES.values() for name in members]
    joint = mm.joint(net, [*names, "lung"])[0].numpy().reshape(4, 2, 4, 2)
    answer = mm.information_by_modality(joint, list(MODALITIES))
    assert set(exact.names) == set(MODALITIES)
    assert exact.method == "exact"
    for members, bits in answer.mutual_information.items():
        figures = exact.sets[members]
        assert figures.information.value == pytest.approx(bits, abs=1e-12)
        others = tuple(i for i, name in enumerate(MODALITIES) if name not in members)
        part = joint.sum(others).reshape(-1, 2)
        assert figures.accuracy.value == pytest.approx(part.max(1).sum())
        assert figures.log_loss.value == pytest.approx((exact.entropy - bits) * np.log(2))
        weighted = sum(
            e.value * p for e, p in zip(figures.by_state, joint.sum((0, 1, 2)), strict=True)
        )
        assert weighted == pytest.approx(bits, abs=1e-12)
    assert [exact.shapley[n].value for n in MODALITIES] == pytest.approx(answer.shapley)
    assert exact.o_information == pytest.approx(answer.o_information)
    first = mm.partial_information(joint.sum(2))
    pair = exact.pairs["history", "image"]
    assert exact.pairs["image", "history"].unique == pair.unique[::-1]
    assert (pair.redundant, *pair.unique, pair.synergy) == pytest.approx(
        (first.redundant, *first.unique, first.synergy), abs=1e-8
    )


def test_draws_agree_with_the_joint_distribution_within_their_noise(net, exact):
    drawn = mm.analyse_modalities(
        net, "lung", method="samples", draws=4000, generator=torch.Generator().manual_seed(1)
    )
    assert (drawn.method, drawn.rows) == ("samples", 4000)
    for members, figures in drawn.sets.items():
        for figure in ("information", "accuracy", "log_loss"):
            estimate, truth = getattr(figures, figure), getattr(exact.sets[members], figure).value
            assert abs(estimate.value - truth) <= 4 * estimate.standard_error + 1e-9
    for name, share in drawn.shapley.items():
        assert abs(share.value - exact.shapley[name].value) <= 4 * share.standard_error
    for pair, atoms in exact.pairs.items():
        assert drawn.pairs[pair].synergy == pytest.approx(atoms.synergy, abs=0.01)


def test_rows_give_the_fall_of_the_log_loss_and_its_noise(net, exact, rows):
    analysis = mm.analyse_modalities(net, "lung", rows)
    codes = rows["lung"].to_numpy(int)
    shares = np.tile(np.bincount(codes) / len(codes), (len(codes), 1))
    before = classification_metrics(shares, codes)
    for members, figures in analysis.sets.items():
        columns = [name for modality in members for name in MODALITIES[modality]]
        table = net.predict_proba(rows[columns], "lung") if columns else shares
        after = classification_metrics(np.broadcast_to(table, shares.shape), codes)
        told = (before["log_loss"] - after["log_loss"]) / np.log(2)
        assert figures.information.value == pytest.approx(told, abs=1e-9)
        assert figures.accuracy.value == pytest.approx(after["accuracy"])
        assert figures.calibration_error == pytest.approx(after["expected_calibration_error"])
        truth = exact.sets[members].information
        assert abs(figures.information.value - truth.value) < 5 * (
            figures.information.standard_error + 1e-3
        )
    loss, without = analysis.missing["image"], analysis.sets[frozenset(["history", "signs"])]
    assert loss.log_loss.value == pytest.approx(
        without.log_loss.value - analysis.whole.log_loss.value
    )
    assert loss.accuracy.value == pytest.approx(
        analysis.whole.accuracy.value
        - analysis.sets[frozenset(["history", "signs"])].accuracy.value
    )


def test_noise_is_over_groups_where_rows_belong_together(net, rows):
    alone = mm.analyse_modalities(net, "lung", rows)
    twice = pd.concat([rows, rows], ignore_index=True)
    twice["person"] = np.tile(np.arange(len(rows)), 2)
    grouped = mm.analyse_modalities(net, "lung", twice, groups="person")
    assert grouped.groups == len(rows)
    for name in MODALITIES:
        one, other = alone.information[name], grouped.information[name]
        assert other.value == pytest.approx(one.value)
        assert other.standard_error == pytest.approx(one.standard_error, rel=1e-3)
    few = mm.analyse_modalities(net, "lung", rows, groups=np.arange(len(rows)) % 3)
    assert few.information["image"].high - few.information["image"].low == pytest.approx(
        2 * 4.302653 * few.information["image"].standard_error, rel=1e-5
    )


def test_parity_is_synergy_by_all_three_ways(net):
    tables = {"a": [0.5, 0.5], "b": [0.5, 0.5], "y": [[[0.95, 0.05], [0.05, 0.95]]] * 2}
    tables["y"] = [[[0.95, 0.05], [0.05, 0.95]], [[0.05, 0.95], [0.95, 0.05]]]
    parity = mm.BayesianNetwork.from_tables([("a", "y"), ("b", "y")], tables)
    rows = mm.sample(parity, 1000, generator=torch.Generator().manual_seed(0)).to_frame()
    told = mutual_information(mm.joint(parity, ["a", "b", "y"])[0].numpy())
    for options in ({}, {"method": "samples", "draws": 500}, {"data": rows}):
        atoms = mm.analyse_modalities(parity, "y", by="variable", **options).pairs["a", "b"]
        assert atoms.synergy == pytest.approx(told, abs=0.1)
        assert max(atoms.redundant, *atoms.unique) < 0.02


def test_mixed_networks_are_drawn_from_and_asked_exactly_in_each_row():
    generator = np.random.default_rng(0)
    state = generator.integers(0, 2, 1500)
    data = pd.DataFrame(
        {
            "y": np.where(state, "ill", "well"),
            "heat": 37 + state + generator.normal(0, 0.5, len(state)),
            "count": 5 + 0.2 * state + generator.normal(0, 1.0, len(state)),
        }
    )
    net = mm.BayesianNetwork.from_data(
        data, [("y", "heat"), ("y", "count")], modalities={"heat": "ward", "count": "lab"}
    )
    analysis = mm.analyse_modalities(net, "y", draws=1500)
    assert analysis.method == "samples"
    assert analysis.information["ward"].value > 0.4 > 0.05 > analysis.information["lab"].value
    with pytest.raises(MmgraphError, match="method='samples'"):
        mm.analyse_modalities(net, "y", method="exact")
    worth = analysis.acquire({}, costs={"ward": 0.1})
    assert worth.best == "ward"
    assert worth.of["ward"] == pytest.approx(analysis.information["ward"].value, abs=0.05)


def test_what_to_acquire_is_exact_given_what_a_row_has(net, exact):
    worth = exact.acquire({"xray": 1}, costs={"signs": 0.01, "image": 5}, lookahead=2)
    joint = mm.joint(net, ["dysp", "bronc", "lung"], {"xray": 1})[0].numpy()
    assert set(worth.of) == {"history", "signs"}
    assert worth.of["signs"] == pytest.approx(mutual_information(joint.reshape(4, 2)))
    assert worth.net["signs"] == pytest.approx(worth.of["signs"] - 0.01)
    both = mm.joint(net, ["smoke", "asia", "dysp", "bronc", "lung"], {"xray": 1})[0].numpy()
    assert worth.of_set(["history", "signs"]) == pytest.approx(mutual_information(both))
    assert worth.policy.test == worth.best == "history"
    with pytest.raises(EvidenceError, match="says what 'lung' is"):
        exact.acquire({"lung": 1})
    assert {further.test for further in worth.policy.after.values()} == {"signs"}
    operate = exact.acquire({"xray": 1}, utility=[[0, 0], [-1, 1]])
    belief = joint.sum((0, 1))
    assert operate.prior_value == pytest.approx(max(0, belief[1] - belief[0]))
    assert not exact.acquire({name: 0 for names in MODALITIES.values() for name in names}).of


def test_modalities_are_contracted_to_a_graph_with_strength_and_confidence(net, exact):
    edge = exact.graph.edges["history", "signs"]
    assert edge["arcs"] == [("smoke", "bronc")]
    told = mutual_information(mm.joint(net, ["smoke", "bronc"])[0].numpy())
    assert edge["strength"] == pytest.approx(told)
    assert exact.graph.has_edge("tub", "image")  # tub is in no modality

    learned = SimpleNamespace(
        edges=[("smoke", "lung"), ("bronc", "dysp")],
        confidence={("smoke", "lung"): 0.9, ("xray", "lung"): 0.2},
    )
    graph = mm.analyse_modalities(net, "lung", structure=learned).graph
    assert graph.edges["history", "lung"]["confidence"] == 0.9
    assert list(graph.edges) == [("history", "lung")]  # xray -> lung is no arc of the structure
    assert not graph.has_edge("signs", "signs")


class TableLookup:
    """A predictor by shares of training rows, of columns a and b as modalities."""

    def __init__(self, frame):
        self.frame, self.classes_, self.modalities_ = frame, np.array(["n", "y"]), ("b", "a")
        self.schema_ = mm.Schema.of_modalities(
            {"a": ["a"], "b": ["b"]}, {"a": "categorical", "b": "categorical"}
        )

    def predict_proba(self, data, given=None):
        table = np.ones((len(data), 2))
        for _, row in self.frame.iterrows():
            alike = np.ones(len(data), bool)
            for name in given:
                alike &= data[name].to_numpy() == row[name]
            table[alike, list(self.classes_).index(row.t)] += 1
        return table / table.sum(1, keepdims=True)


def test_predictors_are_asked_with_each_set_of_modalities():
    generator = np.random.default_rng(4)
    frame = pd.DataFrame({"a": generator.integers(0, 2, 400), "b": generator.integers(0, 2, 400)})
    truth = np.where(generator.random(400) < 0.9, frame.a, 1 - frame.a)
    frame["t"] = np.where(truth == 1, "y", "n")
    model = TableLookup(frame[:200])
    analysis = mm.analyse_modalities(model, "t", frame[200:])
    assert analysis.names == ("a", "b")
    assert analysis.information["a"].value == pytest.approx(0.53, abs=0.15)
    assert abs(analysis.information["b"].value) < 0.05
    assert analysis.graph.edges["a", "t"]["strength"] == analysis.information["a"].value
    worth = analysis.acquire(pd.DataFrame({"b": [1]}))
    assert list(worth.of) == ["a"]
    assert analysis.acquire({"b": 1}).of == worth.of
    assert analysis.acquire(pd.Series({"b": 1, "t": None})).of == worth.of
    for row, message in (
        ({"b": 1, "t": "n"}, "says what 't' is"),
        (frame[:2], "one row was expected, and 2"),
        ([1, 2], "not list"),
    ):
        with pytest.raises(LearningError, match=message):
            analysis.acquire(row)
    assert worth.of["a"] == pytest.approx(analysis.given_others["a"].value, abs=0.1)
    both = {
        members: model.predict_proba(frame[200:], members)
        for size in (1, 2)
        for members in combinations("ab", size)
    }
    codes = (frame.t[200:] == "y").to_numpy(int)
    again = analyse_predictions("t", ["n", "y"], both, codes)
    assert again.whole.information == analysis.whole.information
    with pytest.raises(MmgraphError, match="of predictions alone"):
        again.acquire(frame[:1])


def test_pairs_of_rows_add_up_to_the_log_loss_and_need_rows():
    generator = np.random.default_rng(0)
    codes = np.arange(60) % 2
    sets = [("a",), ("b",), ("a", "b")]
    noise = {s: np.stack([p := generator.random(60), 1 - p], 1) for s in sets}
    assert analyse_predictions("t", "ny", noise, codes).pairs["a", "b"].total == 0
    sure = np.where(np.eye(2)[codes] == 1, 0.9, 0.1)
    wrong = analyse_predictions("t", "ny", dict.fromkeys(sets, 1 - sure), codes)
    assert wrong.pairs["a", "b"].total == 0
    mixed = {("a",): sure, ("b",): noise["b",] / 4 + sure * 3 / 4}
    mixed["a", "b"] = sure**2 / (sure**2).sum(1, keepdims=True)
    analysis = analyse_predictions("t", "ny", mixed, codes)
    atoms = analysis.pairs["a", "b"]
    for name, unique in zip("ab", atoms.unique, strict=True):
        assert atoms.redundant + unique == pytest.approx(analysis.information[name].value)
    assert atoms.total == pytest.approx(analysis.whole.information.value)
    assert "log-loss are parted by counts" in repr(analysis)
    few = {s: table[:39] for s, table in mixed.items()}
    unparted = analyse_predictions("t", "ny", few, codes[:39])
    assert not unparted.pairs
    assert unparted.to_frame("pairs").empty


def test_frames_and_json_hold_every_figure(exact):
    frame = exact.to_frame()
    assert frame.loc["image", "information"] == exact.information["image"].value
    assert "nothing" in exact.to_frame("sets").index
    assert exact.to_frame("states").shape == (2, 8)
    assert list(exact.to_frame("pairs").columns)[:2] == ["redundant", "unique_first"]
    content = json.loads(exact.to_json())
    assert len(content["sets"]) == 8
    assert content["shapley"]["image"]["value"] == exact.shapley["image"].value
    assert "image" in repr(exact)
    with pytest.raises(MmgraphError, match="a frame is of"):
        exact.to_frame("colours")


def test_more_than_twelve_are_analysed_without_all_sets():
    tables = {"y": [0.5, 0.5]} | {f"x{i}": [[0.7, 0.3], [0.4, 0.6]] for i in range(14)}
    net = mm.BayesianNetwork.from_tables([("y", f"x{i}") for i in range(14)], tables)
    analysis = mm.analyse_modalities(net, "y", by="variable", draws=300)
    assert analysis.shapley is None
    assert not analysis.pairs
    assert len(analysis.sets) == 30
    assert json.loads(analysis.to_json())["shapley"] is None
    with pytest.raises(MmgraphError, match="14 modalities have too many sets for method='exact'"):
        mm.analyse_modalities(net, "y", by="variable", method="exact")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"target": "lnug"}, UnknownVariableError, "did you mean 'lung'"),
        ({"modalities": {"a": ["lung"]}}, UnknownVariableError, "target 'lung'"),
        ({"modalities": {"a": ["xray"], "b": ["xray"]}}, MmgraphError, "'xray' stands twice"),
        ({"modalities": ["history"]}, MmgraphError, "are a mapping"),
        ({"modalities": {}}, MmgraphError, "what is to be looked at"),
        ({"modalities": {"a": ["xray"]}, "by": "variable"}, MmgraphError, "by='variable'"),
        ({"modalities": {"a": ["xray"], "b": []}}, MmgraphError, "'b' has no variables"),
        ({"modalities": {"lung": ["xray"]}}, MmgraphError, "'lung' is a modality and the target"),
        ({"modalities": {"tub": ["xray"]}}, MmgraphError, "'tub' is a modality and a variable"),
        ({"method": "guess"}, MmgraphError, "'guess'"),
        ({"method": "guess", "data": ROWS}, MmgraphError, "'guess'"),
        ({"method": "samples", "data": ROWS}, MmgraphError, "no use for method='samples'"),
        ({"draws": 5, "data": ROWS}, MmgraphError, "no use for draws=5"),
        ({"draws": 0}, MmgraphError, "draws"),
        ({"draws": 1}, MmgraphError, "a single draw"),
        ({"groups": [0, 1]}, MmgraphError, "no use for groups"),
        ({"data": ROWS | {"xray": [None, None]}}, EvidenceError, "nothing of 'image'"),
        ({"data": ROWS | {"lung": [1, 1]}}, LearningError, "'lung' is 1 in every row"),
        ({"data": {name: [0] for name in ROWS}}, LearningError, "two rows"),
        ({"data": {"xray": [0, 1]}}, EvidenceError, "nothing of the target 'lung'"),
        ({"data": {"xray": [0, 1], "lung": [None, 1]}}, EvidenceError, "row 0 has no 'lung'"),
        ({"data": {"lung": [0, 1]}, "groups": "person"}, UnknownVariableError, "'person'"),
        ({"data": ROWS, "groups": [1]}, MmgraphError, "2 rows have 1 groups"),
        ({"data": {"lung": [0, 1]}}, EvidenceError, r"say nothing of 'history' \(asia, smoke\)"),
        (
            {"data": {"smoke": [0, 1], "dysp": [0, 1], "xrya": [0, 1], "lung": [0, 1]}},
            EvidenceError,
            r"say nothing of 'image' \(xray\); did you mean 'xrya'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(net, options, error, message):
    with pytest.raises(error, match=message):
        mm.analyse_modalities(net, **({"target": "lung"} | options))


def test_models_that_cannot_be_asked_are_refused():
    bare = mm.BayesianNetwork.from_tables([], {"a": [0.5, 0.5], "y": [0.5, 0.5]})
    with pytest.raises(MmgraphError, match="no variable of the network has a modality"):
        mm.analyse_modalities(bare, "y", by="modality")
    assert mm.analyse_modalities(bare, "y").names == ("a",)
    with pytest.raises(MmgraphError, match="has no predict_proba"):
        mm.analyse_modalities(object(), "y")
    model = TableLookup(pd.DataFrame({"a": [0], "b": [1], "t": ["n"]}))
    with pytest.raises(MmgraphError, match="name data with the target"):
        mm.analyse_modalities(model, "t")
    with pytest.raises(LearningError, match="no column 't'"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"a": [0], "b": [1]}))
    with pytest.raises(LearningError, match="row 1 has no 't'"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"a": [0, 1], "b": 1, "t": ["n", None]}))
    with pytest.raises(LearningError, match="nothing of the modality 'b'"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"a": [0, 1], "t": ["n", "y"]}))
    with pytest.raises(LearningError, match="two rows at least, and 0"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"a": [0], "b": [0], "t": ["n"]})[:0])
    with pytest.raises(MmgraphError, match="of a predictor are names"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"t": ["n"]}), modalities={"a": ["a"]})
    with pytest.raises(UnknownVariableError, match="has no modality 'A'; did you mean 'a'"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"t": ["n"]}), modalities=["A"])
    with pytest.raises(MmgraphError, match=r"mm.read\('alarm'\)"):
        mm.analyse_modalities("alarm", "t")
    with pytest.raises(UnknownStateError, match=r"row 1.*'maybe'"):
        mm.analyse_modalities(model, "t", pd.DataFrame({"a": [0, 1], "b": 1, "t": ["n", "maybe"]}))
    for option in ({"by": "variable"}, {"method": "exact"}, {"draws": 9}, {"structure": "s"}):
        with pytest.raises(MmgraphError, match=f"a predictor has no use for {next(iter(option))}"):
            mm.analyse_modalities(model, "t", pd.DataFrame({"a": [0], "t": ["n"]}), **option)
    with pytest.raises(MmgraphError, match="'a' is a modality and the target"):
        mm.analyse_modalities(model, "a", pd.DataFrame({"a": [0], "t": ["n"]}))
    numbers = {name: [[0.0], [1.0]] for name in "ab"}
    rows = mm.MultimodalData.of(numbers, ["n", "y"], name="t", weights=[1, 2])
    with pytest.raises(LearningError, match="have weights"):
        mm.analyse_modalities(model, "t", rows)
    with pytest.raises(MmgraphError, match="no prediction from b"):
        analyse_predictions("t", "ny", {("a",): np.eye(2), ("a", "b"): np.eye(2)}, np.arange(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"predicted": {"ab": np.eye(2)}}, "not by 'ab'"),
        ({"predicted": {("a",): np.ones((2, 3)) / 3}}, r"from a has shape \(2, 3\)"),
        ({"predicted": {("t",): np.eye(2)}}, "'t' is a modality and the target"),
        ({"codes": [0, 3]}, "row 1: the code 3"),
        ({"codes": [-1, 0]}, "row 0: the code -1"),
        ({"codes": []}, r"shape \(0,\)"),
        ({"groups": [1]}, "2 rows have 1 groups"),
    ],
)
def test_predictions_that_do_not_fit_are_refused_by_name(options, message):
    fitting = {"predicted": {("a",): np.eye(2)}, "codes": [0, 1]}
    with pytest.raises(MmgraphError, match=message):
        analyse_predictions("t", "ny", **(fitting | options))


def test_labels_of_a_predictor_are_read_as_cells_are():
    model = TableLookup(pd.DataFrame({"a": [0, 1], "b": [0, 1], "t": [0, 1]}))
    model.classes_ = np.array([0, 1])
    frame = pd.DataFrame({"a": [0, 1, 1], "b": [1, 0, 1], "t": [0.0, 1.0, 1.0]})
    assert mm.analyse_modalities(model, "t", frame).rows == 3
    whole = mm.analyse_modalities(model, "t", frame.astype({"t": int}))
    assert mm.analyse_modalities(model, "t", frame).information == whole.information
    model.schema_ = None
    unknown = mm.analyse_modalities(model, "t", frame)
    with pytest.raises(LearningError, match="has no schema_"):
        unknown.acquire(frame[["a"]][:1])
