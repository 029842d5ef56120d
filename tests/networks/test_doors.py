"""Every door to a model reads a cell alike: the same state, however and wherever it is written."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.cli.evidence import read_evidence
from mmgraph.graph.errors import MmgraphError, UnknownStateError, ZeroProbabilityError

WORDS = st.lists(st.sampled_from(["a", "b c", "None", "NA", "nan", "null", "x,y", '"', "é"]),
                 min_size=2, max_size=4, unique=True)  # fmt: skip
NUMERALS = st.lists(st.sampled_from(["1", "2", "0", "10", "2.5", "-1"]), min_size=2, max_size=4,
                    unique=True)  # fmt: skip
ZIPS = st.lists(st.sampled_from(["02139", "10001", "1_0", "1E2"]), min_size=2, max_size=4,
                unique=True)  # fmt: skip
NUMBERS = st.lists(st.integers(-3, 12), min_size=2, max_size=4, unique=True)
REALS = st.lists(st.sampled_from([0.5, -1.25, 2.0, 1e-5]), min_size=2, max_size=3, unique=True)
TRUTHS = st.permutations([True, False])
SPELLED = st.sampled_from([["true", "false"], ["FALSE", "TRUE"], ["True", "False"]])
COUNTS = st.integers(2, 4)
INTERVALS = st.just(["(-inf, 0)", "[0, 10)", "[10, inf)"])
LABELS = st.one_of(WORDS, NUMERALS, ZIPS, NUMBERS, REALS, TRUTHS, SPELLED, COUNTS, INTERVALS)


def network(states, seed: int) -> mm.BayesianNetwork:
    generator = np.random.default_rng(seed)
    count = states if isinstance(states, int) else len(states)
    return mm.BayesianNetwork.from_tables(
        [("A", "B")],
        {
            "A": generator.dirichlet(np.full(count, 2.0)),
            "B": generator.dirichlet(np.full(3, 2.0), count),
        },
        states={"A": states, "B": ("p", "q", "r")},
    )


def spellings(label: object) -> list[object]:
    """How a person, a table reader or NumPy may write a label."""
    ways: list[object] = [label, str(label)]
    if isinstance(label, bool):
        return [*ways, np.bool_(label), str(label).upper(), str(label).lower()]
    if isinstance(label, int | float):
        ways += [
            np.float64(label),
            torch.tensor(label),
            str(float(label)) if label < 1e4 else label,
        ]
    if isinstance(label, int):
        ways += [np.int8(label), np.array(label)]
    if isinstance(label, str):
        ways.append(np.str_(label))
        if label.casefold() in ("true", "false"):
            ways += [label.casefold() == "true", label.swapcase()]
        if label in ("1", "2", "0", "10", "2.5", "-1"):
            ways += [float(label), np.float32(label), str(float(label))]
        if label == "[0, 10)":
            ways += [0, 9.5, "3", np.int64(5)]
    return ways


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(states=LABELS, seed=st.integers(0, 99), warm=st.booleans())
def test_every_way_to_write_every_state_says_the_same_at_every_door(states, seed, warm, tmp_path):
    net = network(states, seed)
    variable = net.variables["A"]
    prior, table = (net.distribution(n).values for n in ("A", "B"))
    if warm:  # answers must not depend on earlier ones
        mm.query(net, {"A": variable.labels[0]})
    for code, label in enumerate(variable.labels):
        expected = table[code]
        for cell in (*spellings(label), mm.index(code), [label], [str(label)]):
            given = {"A": cell}
            assert torch.allclose(mm.query(net, given).marginal("B")[0], expected)
            assert torch.allclose(mm.joint(net, ["A", "B"], given)[0, code], expected)
            assert torch.allclose(mm.log_partition(net, given), prior[code].log())
            if not isinstance(cell, list):
                forced = net.do(A=cell)
                assert torch.allclose(mm.query(forced).marginal("B")[0], expected)
                assert net.variable("A").code(cell) == code
        evidence, _ = read_evidence(net, [f"A={label}"], None)
        assert torch.allclose(mm.query(net, evidence).marginal("B")[0], expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(states=LABELS, seed=st.integers(0, 99))
def test_tables_of_every_kind_say_the_same(states, seed, tmp_path):
    net = network(states, seed)
    samples = mm.sample(net, 40, generator=torch.Generator().manual_seed(seed))
    frame = samples.to_frame()
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    counts = torch.bincount(samples.codes["A"], minlength=net.variables["A"].cardinality)
    expected = net.distribution("B").values[samples.codes["A"]].numpy()
    tables = (
        frame,
        frame.convert_dtypes(),
        frame.astype("category"),
        frame.astype(object),
        dict(frame),
        {name: list(samples[name]) for name in samples},
        {name: samples[name] for name in samples},
        samples,
        str(tmp_path / "rows.csv"),
        tmp_path / "rows.parquet",
    )
    for data in tables:
        np.testing.assert_allclose(net.predict_proba(data, "B"), expected)
        again = network(states, seed + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # states that were not drawn
            again.fit(data)
        torch.testing.assert_close(again.distribution("A").values, counts.double() / 40)
    evidence, _ = read_evidence(net, None, tmp_path / "rows.csv")
    found = mm.query(net, mm.Evidence.of(evidence, net.variables).without("B"), "B")
    np.testing.assert_allclose(found.marginal("B"), expected)


def test_truth_values_are_labels_and_never_indices():
    net = mm.BayesianNetwork.from_tables(
        [("A", "B")],
        {"A": [0.5, 0.5], "B": [[0.9, 0.1], [0.2, 0.8]]},
        states={"A": ("true", "false")},
    )
    assert mm.query(net, {"A": True}).marginal("B").tolist() == [[0.9, 0.1]]
    asia = mm.read("asia")
    for _ in range(2):
        with pytest.raises(UnknownStateError, match=r"'smoke' has no state True .*'yes', 'no'"):
            mm.query(asia, {"smoke": True})
        mm.query(asia, {"smoke": "yes"})


def test_numerals_are_labels_and_never_indices():
    tables = {"A": [0.5, 0.3, 0.2], "B": [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]}
    net = mm.BayesianNetwork.from_tables([("A", "B")], tables, states={"A": ("1", "2", "3")})
    expected = [[0.9, 0.1], [0.5, 0.5]]
    for column in ([1, 2], np.array([1, 2]), ["1.0", "2.0"], [1.0, 2.0], torch.tensor([1, 2])):
        frame = pd.DataFrame({"A": np.asarray(column)})
        for data in (frame, {"A": column}):
            np.testing.assert_allclose(net.predict_proba(data, "B"), expected)
            np.testing.assert_allclose(mm.query(net, data).marginal("B"), expected)
    assert mm.query(net.do(A=1)).marginal("B").tolist() == [[0.9, 0.1]]


@pytest.mark.parametrize(
    "labels", [(1, 0), (0, 1), (True, False), ("1", "0"), ("no", "yes"), ("None", "NA"), (2.5, 1.0)]
)
def test_what_is_sampled_is_what_is_learned(labels):
    net = mm.BayesianNetwork.from_tables(
        [("y", "x")],
        {"y": [0.9, 0.1], "x": [[0.8, 0.2], [0.3, 0.7]]},
        states={"y": labels, "x": labels},
    )
    drawn = mm.sample(net, 5000, generator=torch.Generator().manual_seed(0))
    share = float((drawn.codes["y"] == 0).double().mean())
    by_hand = {name: drawn[name] for name in drawn}
    for data in (drawn, drawn.to_frame(), by_hand, pd.DataFrame(by_hand)):
        assert float(net.fit(data).distribution("y").values[0]) == pytest.approx(share, abs=1e-12)
    assert share == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("cell", [-1, [-1, -1], np.array([-1, -1]), np.float32(-1), "-1", ["-1"]])
def test_minus_one_is_missing_in_every_container_unless_it_is_a_label(cell):
    net = mm.read("asia")
    expected = mm.query(net).marginal("lung")[0]
    assert torch.allclose(mm.query(net, {"smoke": cell}).marginal("lung")[-1], expected)
    signs = mm.BayesianNetwork.from_tables([], {"s": [0.25, 0.75]}, states={"s": (-1, 1)})
    assert mm.log_partition(signs, {"s": cell})[0].exp() == pytest.approx(0.25)


def test_one_hot_rows_and_probabilities_are_no_evidence_unless_they_are_said_to_be():
    net = mm.read("asia")
    for cell in (np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])):
        with pytest.raises(MmgraphError, match=r"'smoke' has shape .* mm\.soft"):
            mm.query(net, {"smoke": cell})
    with pytest.raises(UnknownStateError, match=r"row 0: .*no state 0.9.* mm\.soft"):
        mm.query(net, {"smoke": [0.9, 0.1]})
    likely = mm.query(net, {"smoke": mm.soft(probabilities=[0.9, 0.1])})
    logs = mm.query(net, {"smoke": mm.soft(np.log([0.9, 0.1]))})
    assert torch.allclose(likely.marginal("lung"), logs.marginal("lung"))
    sure = mm.query(net, {"smoke": mm.soft(probabilities=[[1, 0], [0, 1]])})
    hard = mm.query(net, {"smoke": ["yes", "no"]})
    assert torch.allclose(sure.marginal("lung"), hard.marginal("lung"))
    for wrong in ({"probabilities": [-0.1, 1]}, {"probabilities": [np.nan, 1]}):
        with pytest.raises(MmgraphError, match="'smoke' is"):
            mm.query(net, {"smoke": mm.soft(**wrong)})
    with pytest.raises(MmgraphError, match="one of the two"):
        mm.soft()


def test_one_impossible_row_does_not_fail_a_batch(tmp_path):
    net = mm.read("asia")
    rows = pd.DataFrame({"tub": ["yes", "no", "yes"], "either": ["yes", "no", "no"]})
    with pytest.raises(ZeroProbabilityError) as caught:
        net.predict_proba(rows, "lung")
    assert caught.value.rows == (2,)
    found = net.predict_proba(rows, "lung", impossible="nan")
    assert np.isnan(found).all(1).tolist() == [False, False, True]
    np.testing.assert_array_equal(found[:2], net.predict_proba(rows[:2], "lung"))
    assert net.predict(rows, "lung", impossible="nan")[2] is None
    assert np.isnan(net.predict_proba(rows[2:], "lung", impossible="nan")).all()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    np.testing.assert_array_equal(
        found, net.predict_proba(tmp_path / "rows.csv", "lung", impossible="nan")
    )
    with pytest.raises(MmgraphError, match="impossible is 'raise' or 'nan'"):
        net.predict_proba(rows, "lung", impossible="skip")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda net: mm.query(net, {1: "yes"}), "names 1; a variable's name is a text"),
        (lambda net: mm.query(net, {"smoke", "yes"}), "evidence is a dict.* not set"),
        (lambda net: mm.query(net, [("smoke", "yes")]), "evidence is a dict.* not list"),
        (lambda net: mm.query(net, None, [3]), "3 is none"),
        (lambda net: mm.query(net, None, 3), "variables are names, not 3"),
        (lambda net: mm.query(net, {}, [["lung"]]), "is none"),
        (lambda net: mm.query(net, None, "Lung"), "did you mean 'lung'"),
        (lambda net: mm.query(net, {"smoke": "YES"}), "did you mean 'yes'"),
        (lambda net: mm.query(net, method=3), "knows no method 3"),
        (lambda net: mm.query(net, method="junction_tree", foo=1), r"no option 'foo' \(it has: m"),
        (lambda net: mm.query(net, method="gibbs", drawz=1), "did you mean 'draws'"),
        (lambda net: mm.query(net, method="gibbs", draws="ten"), "'draws' is int.* not 'ten'"),
        (lambda net: mm.query(net, method="gibbs", generator=0), r"manual_seed\(0\)"),
        (lambda net: mm.query(net, memory_budget="1 GB"), "'memory_budget' is int"),
        (lambda net: mm.query(net, {}, dtype="float64"), "'dtype' is torch.dtype"),
        (lambda net: mm.query(net, device=3), "unknown device '3'"),
        (lambda net: mm.sample(net, 2.5), "draws must be a whole number"),
        (lambda net: mm.sample(net, 0), "draws must be"),
        (lambda net: mm.sample(net, 2, generator=0), "'generator' is torch.Generator.* not 0"),
        (lambda net: mm.sample(net, 2, generator=np.random.default_rng(0)), "not Generator"),
        (lambda net: mm.joint(net, ["lung", "lung"]), "'lung' twice"),
        (lambda net: mm.query(net, pd.DataFrame({"smoke": [mm.soft([0, 0]), "no"]})), "no single"),
        (lambda net: mm.query(net, {}, dtype=torch.int32), "floating type"),
        (lambda net: net.fit({1: ["yes"]}), "a column is called 1"),
        (lambda net: net.fit({"smoke": mm.index(0)}), "no sequence of cells"),
        (lambda net: net.fit({"smoke": ["yes"]}, chunk_rows="5"), "'chunk_rows' is int"),
        (lambda net: net.fit({"smoke": ["yes"]}, encoding="latin-1"), "no text file"),
        (lambda net: net.fit({"smoke": ["yes"]}, weights="abc"), "weights are numbers"),
        (lambda net: net.fit({"smoke": ["yes"]}, progress=5), "progress is a function"),
        (lambda net: net.fit({"smoke": ["yes"]}, checkpoint=5), "checkpoint is a directory"),
        (lambda net: net.fit({"smoke": ["yes"]}, pseudo_counts="x"), "pseudo_counts are"),
        (lambda net: net.predict({"smoke": ["yes"]}, 5), "variables are names, not 5"),
        (lambda net: net.predict_proba({"smoke": ["yes"]}, ["lung"]), "the name of one variable"),
        (lambda net: net.do(5), "states by variable, not 5"),
        (lambda net: mm.Variable("x", states=5.5), "not 5.5"),
        (lambda net: mm.Variable("x", 2, shape=3), "tuple of whole numbers, not 3"),
        (lambda net: mm.Variable("x", 2, modality=5), "a modality is a text"),
        (lambda net: mm.BayesianNetwork.from_data({"a": [1, 2]}, ["ab"]), "no.* a pair"),
        (lambda net: mm.BayesianNetwork.from_data({"a": [1, 2]}, [], bins=4), "bins are given"),
        (lambda net: mm.BayesianNetwork.from_data({"a": [1, 2]}, [], variables=[]), "no columns"),
        (lambda net: mm.joint(net, "lung", foo=1), "no option 'foo'"),
        (lambda net: mm.map_query(net, method="junction_tree", foo=1), "no option 'foo'"),
        (lambda net: mm.log_partition(net, foo=1), "no option 'foo'"),
        (lambda net: mm.log_partition("asia"), "asks a model, not 'asia'"),
        (
            lambda net: net.fit(pd.DataFrame({"smoke": ["yes"]}), restarts="many"),
            "'restarts' is int",
        ),
        (
            lambda net: net.fit(pd.DataFrame({"smoke": ["yes"]}), generator=1),
            "'generator' is torch",
        ),
        (
            lambda net: net.fit(pd.DataFrame({"smoke": ["yes"]}), extra="drop"),
            "'raise' or 'ignore'",
        ),
        (lambda net: net.fit(pd.DataFrame({"smoke": ["yes"]}), missing="NA"), "missing is a list"),
        (
            lambda net: net.predict_proba({"smoke": ["yes"]}, "lung", encodng="x"),
            "no option 'encodng'",
        ),
        (lambda net: net.do({3: "yes"}), "3"),
        (lambda net: net.do(smoke=None), "missing"),
        (lambda net: net.variable(["smoke"]), r"\['smoke'\]"),
        (lambda net: net.parents(3), "3"),
    ],
)
def test_what_is_of_the_wrong_kind_is_named(ask, message):
    with pytest.raises(MmgraphError, match=message):
        ask(mm.read("asia"))


def clinic() -> mm.BayesianNetwork:
    sex, lab = (
        mm.Variable("sex", ("F", "M")),
        mm.Variable("lab", shape=(2,), family="gaussian", columns=("sbp", "crp")),
    )
    leaf = mm.GaussianLeaf(lab, [sex], [[130, 3], [145, 5]], [[[100, 5], [5, 4]]] * 2)
    return mm.BayesianNetwork([sex, lab], [mm.TableFactor([sex], [0.5, 0.5], child=sex), leaf])


def test_an_element_has_one_column(tmp_path):
    net = clinic()
    twice = {"sbp": [140.0], "lab[0]": [100.0], "crp": [4.0]}
    (tmp_path / "rows.csv").write_text("sbp,lab[0],crp\n140,100,4\n")
    for ask in (
        lambda: mm.query(net, twice),
        lambda: mm.query(net, pd.DataFrame(twice)),
        lambda: net.predict_proba(tmp_path / "rows.csv", "sex"),
        lambda: net.fit(tmp_path / "rows.csv"),
        lambda: read_evidence(net, None, tmp_path / "rows.csv"),
    ):
        with pytest.raises(MmgraphError, match="are the same element of 'lab'"):
            ask()
    with pytest.raises(MmgraphError, match="is a data frame, whose columns stand by themselves"):
        mm.query(net, {"lab": pd.DataFrame({"crp": [4.0], "sbp": [140.0]})})


def test_soft_evidence_by_label_is_put_in_order():
    net = mm.read("asia")
    ordered = mm.query(net, {"smoke": mm.soft(probabilities=[0.2, 0.8])}).marginal("lung")
    for by_label in (
        {"no": 0.8, "yes": 0.2},
        pd.Series({"no": 0.8, "yes": 0.2}),
        pd.Series(["no"] * 8 + ["yes"] * 2).value_counts(normalize=True),
        pd.DataFrame({"no": [0.8], "yes": [0.2]}),
        pd.Series([0.2, 0.8]),
    ):
        found = mm.query(net, {"smoke": mm.soft(probabilities=by_label)}).marginal("lung")
        assert torch.allclose(found, ordered)
    with pytest.raises(MmgraphError, match="names 1 of its 2 states"):
        mm.query(net, {"smoke": mm.soft(probabilities={"yes": 1.0})})


def test_evidence_and_samples_of_another_model_are_read_by_label_or_refused():
    def net(states):
        return mm.BayesianNetwork.from_tables(
            [("A", "B")], {"A": [0.9, 0.1], "B": [[0.8, 0.2], [0.3, 0.7]]}, states={"A": states}
        )

    one, other = net(("a", "b")), net(("b", "a"))
    drawn = mm.sample(one, 2000, generator=torch.Generator().manual_seed(0))
    share = float((drawn["A"] == "a").mean())
    np.testing.assert_allclose(
        other.predict_proba(drawn, "B"), other.predict_proba(drawn.to_frame(), "B")
    )
    assert float(other.fit(drawn).distribution("A").values[1]) == pytest.approx(share)
    with pytest.raises(MmgraphError, match="read for another model, in which 'A' is"):
        mm.query(other, mm.Evidence.of({"A": "a"}, one.variables))
    made = mm.BayesianNetwork.from_data(drawn, [("A", "B")])
    assert float(made.distribution("A").values[0]) == pytest.approx(share)


def test_the_columns_of_what_is_predicted_are_not_read(tmp_path):
    net = mm.read("asia")
    rows = pd.DataFrame({"smoke": ["yes", "no"], "lung": ["?", "??"]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    expected = net.predict_proba(rows[["smoke"]], "lung")
    for data in (rows, dict(rows), tmp_path / "rows.csv"):
        np.testing.assert_array_equal(net.predict_proba(data, "lung"), expected)
        assert net.predict(data, "lung").tolist() == ["no", "no"]
    assert len(net.predict_proba(rows[["lung"]], "lung")) == 2
    assert mm.Evidence.of(rows, {}, extra="ignore").batch == 2


def test_options_of_reading_do_not_change_the_reader():
    net = clinic()
    for data in ({"sex": "M"}, {"sex": mm.soft(probabilities=[0.5, 0.5])}, {"sbp": [140.0, -9]},
                 {"lab": [[140.0, -9], None]}):  # fmt: skip
        plain = net.predict_proba(data, "sex")
        assert net.predict_proba(data, "sex", extra="ignore").shape == plain.shape
    hidden = net.predict_proba({"lab": [[140.0, -9], [-9, -9]]}, "sex", missing=[-9])
    np.testing.assert_allclose(hidden, net.predict_proba({"lab": [[140.0, None], None]}, "sex"))
    with pytest.raises(MmgraphError, match="missing is a list of cells"):
        mm.Evidence.of({"sex": ["M"]}, net.variables, missing="NA")
    named = mm.BayesianNetwork.from_tables([], {"A": [0.5, 0.5]}, states={"A": ("None", "nan")})
    for nothing in ([None], [float("nan")], [None, -9]):
        found = mm.Evidence.of({"A": ["None", "nan"]}, named.variables, missing=nothing)
        assert found.codes.tolist() == [[0], [1]]


def test_impossible_rows_of_every_target_are_set_apart():
    sex = mm.Variable("sex", ("F", "M"))
    copy = mm.Variable("copy", ("F", "M"))
    x = mm.Variable("x", family="gaussian", shape=(1,))
    net = mm.BayesianNetwork(
        [sex, copy, x],
        [
            mm.TableFactor([sex], [0.5, 0.5], child=sex),
            mm.TableFactor([sex, copy], [[1, 0], [0, 1]], child=copy),
            mm.GaussianLeaf(x, [sex], [[1.0], [2.0]], [[1.0], [1.0]], covariance="diagonal"),
        ],
    )
    rows = {"sex": ["F", "F", "M"], "copy": ["F", "M", "M"]}
    found = net.predict(rows, "x", impossible="nan")
    np.testing.assert_array_equal(found, [[1], [np.nan], [2]])
    with pytest.raises(MmgraphError, match="impossible is"):
        net.predict(rows, "x", impossible="foo")


def test_a_variable_that_no_row_observes_is_said_to_be_latent():
    net = mm.read("asia")
    frame = mm.sample(net, 60, generator=torch.Generator().manual_seed(0)).to_frame()
    with pytest.warns(UserWarning, match="no row observes 'smoke': learned as a latent variable"):
        net.fit(frame.drop(columns="smoke"), max_iterations=1)


def test_repeated_columns_are_named():
    net = mm.read("asia")
    frame = pd.DataFrame([["yes", "no"]], columns=["smoke", "smoke"])
    for ask in (lambda: mm.query(net, frame), lambda: net.fit(frame)):
        with pytest.raises(MmgraphError, match="two columns called 'smoke'"):
            ask()


def test_columns_that_are_no_variables_are_passed_over_when_asked(tmp_path):
    net = mm.read("asia")
    frame = mm.sample(net, 30, generator=torch.Generator().manual_seed(0)).to_frame()
    more = frame.assign(patient=range(30), note="é")
    more.to_csv(tmp_path / "rows.csv", index=False, encoding="latin-1")
    expected = net.predict_proba(frame, "lung")
    for data, reading in (
        (more, {}),
        (dict(more), {}),
        (tmp_path / "rows.csv", {"encoding": "latin-1"}),
    ):
        with pytest.raises(MmgraphError, match=r"'patient'|expected text in utf-8"):
            net.predict_proba(data, "lung")
        found = net.predict_proba(data, "lung", extra="ignore", **reading)
        np.testing.assert_array_equal(found, expected)
        assert net.score(data, extra="ignore", **reading) == pytest.approx(net.score(frame))
        copy = mm.read("asia").fit(data, "bdeu", extra="ignore", **reading)
        torch.testing.assert_close(
            copy.distribution("lung").values,
            mm.read("asia").fit(frame, "bdeu").distribution("lung").values,
        )
    assert mm.Evidence.of(more, net.variables, extra="ignore").batch == 30


def test_vectors_by_the_names_of_their_columns(tmp_path):
    names = ("BRCA1", "TP53", "EGFR")
    genes = mm.Variable("genes", shape=(3,), family="gaussian", columns=names)
    group = mm.Variable("group", ("a", "b"))
    leaf = mm.GaussianLeaf(genes, [group], means=[[0] * 3, [1] * 3], covariances=[[1] * 3] * 2,
                           covariance="diagonal")  # fmt: skip
    prior = mm.TableFactor([group], [0.5, 0.5], child=group)
    net = mm.BayesianNetwork([group, genes], [prior, leaf])
    drawn = mm.sample(net, 50, generator=torch.Generator().manual_seed(1))
    frame = drawn.to_frame()
    assert list(frame.columns) == ["group", *names]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    shuffled = frame[["TP53", "EGFR", "BRCA1"]]
    expected = net.predict_proba({"genes": drawn["genes"]}, "group")
    for data in (shuffled, dict(shuffled), str(tmp_path / "rows.csv")):
        np.testing.assert_allclose(net.predict_proba(data, "group"), expected)
    net.fit(tmp_path / "rows.csv")
    assert net.distribution("genes").means.shape == (2, 3)
    with pytest.raises(MmgraphError, match="2 of the 3 elements of 'genes'"):
        mm.query(net, frame[["TP53", "EGFR"]])
    some = mm.query(net, {"TP53": 1.0})  # by name, the other elements missing
    whole = mm.query(net, {"genes": [np.nan, 1.0, np.nan]})
    assert torch.allclose(some.marginal("group"), whole.marginal("group"))
    mm.write(net, tmp_path / "net.mmgraph")
    assert mm.read(tmp_path / "net.mmgraph").variables["genes"].columns == names
