"""``fit``, ``from_data``, ``predict``, ``predict_proba`` and ``score`` of a Bayesian network."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.encoding import CodedTable, encode
from mmgraph.graph import errors
from mmgraph.learning.conditionals.fitting import ConvergenceWarning
from mmgraph.learning.counts import IncompleteDataError

EDGES = [("season", "rain"), ("rain", "wet"), ("sprinkler", "wet")]


def garden_frame(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    season = generator.choice(["dry", "mild", "wet"], rows)
    rain = generator.random(rows) < np.where(season == "wet", 0.7, 0.2)
    sprinkler = generator.integers(1, 4, rows)
    wet = generator.random(rows) < np.where(rain, 0.9, 0.1 * sprinkler)
    return pd.DataFrame(
        {"season": season, "rain": rain, "sprinkler": sprinkler, "wet": np.where(wet, "yes", "no")}
    )


@pytest.fixture
def frame() -> pd.DataFrame:
    return garden_frame()


@pytest.fixture
def net(frame: pd.DataFrame) -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_data(frame, EDGES)


def with_holes(frame: pd.DataFrame) -> pd.DataFrame:
    holed = frame.astype(object)
    holed[np.random.default_rng(5).random(frame.shape) < 0.2] = None
    return holed


# --- from_data -----------------------------------------------------------------------------------


def test_states_and_parameters_come_from_the_frame(net, frame):
    assert net.variable("season").labels == ("dry", "mild", "wet")
    assert net.variable("rain").labels == (False, True)
    assert net.variable("sprinkler").labels == (1, 2, 3)
    assert net.edges == tuple(EDGES)
    share = pd.crosstab(frame.season, frame.rain, normalize="index").to_numpy()
    np.testing.assert_allclose(net.distribution("rain").values, share)
    assert net.fit_report is None


def test_a_file_gives_the_same_network_as_its_frame(tmp_path, frame, net):
    frame.to_csv(tmp_path / "garden.csv", index=False)
    frame.to_parquet(tmp_path / "garden.parquet")
    for name in ("garden.csv", "garden.parquet"):
        found = mm.BayesianNetwork.from_data(tmp_path / name, EDGES, chunk_rows=33)
        for a, b in zip(net.factors, found.factors, strict=True):
            assert torch.equal(a.values, b.values)
        assert found.score(tmp_path / name) == pytest.approx(net.score(frame))


def test_columns_can_be_chosen_and_states_given(frame):
    net = mm.BayesianNetwork.from_data(
        frame.assign(number=np.arange(len(frame)) / 7, place="here"),
        [("season", "rain")],
        "bdeu",
        states={"rain": (True, False), "place": ("here", "there")},
        modalities={"rain": "gauge"},
        variables=["rain", "season", "place"],
        equivalent_sample_size=3,
    )
    assert list(net.variables) == ["rain", "season", "place"]
    assert net.variable("rain").labels == (True, False)
    assert net.variable("rain").modality == "gauge"
    n = len(frame)
    np.testing.assert_allclose(
        net.distribution("place").values, [(n + 1.5) / (n + 3), 1.5 / (n + 3)]
    )


def test_a_latent_variable_is_one_with_states_and_without_a_column(frame):
    net = mm.BayesianNetwork.from_data(
        frame,
        [("cause", "rain"), ("cause", "wet"), ("season", "cause")],
        states={"cause": 2},
        generator=torch.Generator().manual_seed(0),
        max_iterations=400,
    )
    assert net.fit_report is not None
    assert net.fit_report.converged
    assert net.predict_proba(frame, "cause").shape == (len(frame), 2)


@pytest.mark.parametrize(
    ("edges", "options", "error", "message"),
    [
        ([("seasn", "rain")], {}, errors.UnknownVariableError, "'seasn'.*did you mean 'season'"),
        ([], {"modalities": {"rian": "x"}}, errors.UnknownVariableError, "'rian'.*'rain'"),
        ([], {"states": {"rian": 2}}, errors.UnknownVariableError, "'rian'.*'rain'"),
        ([], {"variables": ["rian"]}, errors.UnknownVariableError, "'rian'.*'rain'"),
        ([], {"states": {"rain": ["no", "yes"]}}, errors.UnknownStateError, "row 0.*'rain'"),
        ([], {"metod": "em"}, errors.LearningError, "no option 'metod'"),
    ],
)
def test_names_that_the_frame_lacks_are_refused(frame, edges, options, error, message):
    with pytest.raises(error, match=message):
        mm.BayesianNetwork.from_data(frame, edges, **options)


def test_constant_columns_and_huge_tables_are_refused(frame):
    with pytest.raises(errors.LearningError, match="'place' of the data frame is constant"):
        mm.BayesianNetwork.from_data(frame.assign(place="here"), EDGES)
    with pytest.raises(errors.LearningError, match="no rows"):
        mm.BayesianNetwork.from_data(frame.iloc[:0], EDGES)
    wide = pd.DataFrame({f"v{i}": np.arange(20) for i in range(9)})
    with pytest.raises(errors.LearningError, match="8 parents make the table of 'v0'"):
        mm.BayesianNetwork.from_data(wide, [(f"v{i}", "v0") for i in range(1, 9)])


# --- fit -----------------------------------------------------------------------------------------


def test_fit_changes_the_network_itself_and_forgets_old_plans(net):
    before = float(mm.query(net, {"season": "wet"}, "wet").marginal("wet")[0, 1])
    other = garden_frame(seed=1)
    other["wet"] = other["wet"].map({"no": "yes", "yes": "no"})
    assert net.fit(other) is net
    after = float(mm.query(net, {"season": "wet"}, "wet").marginal("wet")[0, 1])
    assert abs(before - after) > 0.2
    for a, b in zip(net.factors, mm.learn_parameters(net, other), strict=True):
        assert torch.equal(a.values, b.values)
        assert net.distribution(a.child.name) is a


def test_a_fit_that_fails_changes_nothing(net, frame):
    before = net.factors
    with pytest.raises(errors.UnknownStateError, match="row 0"):
        net.fit(frame.assign(season="autumn"))
    assert net.factors is before
    assert net.score(frame) < 0


@pytest.mark.parametrize(
    ("method", "options", "prior"),
    [
        ("auto", {}, mm.Prior()),
        ("maximum_likelihood", {}, mm.Prior()),
        ("bdeu", {}, mm.Prior(10.0)),
        ("bdeu", {"equivalent_sample_size": 2}, mm.Prior(2.0)),
        ("auto", {"equivalent_sample_size": 2}, mm.Prior(2.0)),
        ("dirichlet", {}, mm.Prior(0.0, 1.0)),
        ("dirichlet", {"pseudo_counts": {"rain": 3.0}}, mm.Prior(0.0, {"rain": 3.0})),
        ("auto", {"pseudo_counts": 0.5}, mm.Prior(0.0, 0.5)),
        ("em", {"pseudo_counts": 0.5}, mm.Prior(0.0, 0.5)),
    ],
)
def test_methods_and_their_priors(net, frame, method, options, prior):
    net.fit(frame, method, **options)
    for a, b in zip(net.factors, mm.learn_parameters(net, frame, prior), strict=True):
        torch.testing.assert_close(a.values, b.values)
    assert (net.fit_report is not None) == (method == "em")


def test_auto_is_em_where_anything_is_missing(net, frame):
    net.fit(with_holes(frame))
    assert net.fit_report.converged
    net.fit(frame.drop(columns="rain"), generator=torch.Generator().manual_seed(1))
    assert net.fit_report.iterations > 1
    net.fit(frame)
    assert net.fit_report is None


def test_complete_data_methods_refuse_missing_cells(net, frame):
    for method in ("maximum_likelihood", "bdeu", "dirichlet"):
        with pytest.raises(IncompleteDataError, match="method='em'"):
            net.fit(with_holes(frame), method)


def test_evidence_and_coded_rows_are_data_too(net, frame):
    expected = net.fit(frame).factors
    rows = encode(frame, net.variables)
    for data in (
        mm.Evidence.of(frame, net.variables),
        rows,
        [rows],
        CodedTable(mm.open_table(frame), net.variables),
    ):
        net.fit(data)
        for a, b in zip(net.factors, expected, strict=True):
            assert torch.equal(a.values, b.values)
    with pytest.raises(errors.LearningError, match="weights of their own"):
        net.fit([rows], weights=np.ones(len(frame)))


def test_em_that_does_not_converge_says_so(net, frame):
    with pytest.warns(
        ConvergenceWarning, match=r"EM .* after 2 iterations: .* changed the objective by \d"
    ):
        net.fit(with_holes(frame), max_iterations=2, tolerance=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(with_holes(frame), "em", equivalent_sample_size=1)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("bdue", {}, "did you mean 'bdeu'"),
        ("maximum_likelihood", {"pseudo_counts": 1}, "takes no pseudo_counts"),
        ("dirichlet", {"equivalent_sample_size": 1}, "takes no equivalent_sample_size"),
        ("bdeu", {"restarts": 2}, "takes no option 'restarts'"),
        ("em", {"restart": 2}, "did you mean 'restarts'"),
        ("em", {"prior": mm.Prior()}, "no option 'prior'"),
    ],
)
def test_options_that_do_not_fit_the_method_are_refused(net, frame, method, options, message):
    with pytest.raises(errors.LearningError, match=message):
        net.fit(frame, method, **options)


def test_an_unknown_column_is_refused(net, frame):
    with pytest.raises(errors.UnknownVariableError, match=r"'rains'.*did you mean 'rain'"):
        net.fit(frame.rename(columns={"rain": "rains"}))


# --- predict, predict_proba, score ---------------------------------------------------------------


def test_predictions_are_the_modes_of_the_marginals(net, frame):
    known = frame.drop(columns=["rain", "wet"])
    posterior = mm.query(net, known, ["rain", "wet"])
    both = net.predict(known)
    assert list(both.columns) == ["rain", "wet"]
    for name in both:
        labels = np.array(net.variable(name).labels)
        np.testing.assert_array_equal(both[name], labels[posterior.mode(name)])
    np.testing.assert_array_equal(net.predict(known, "wet"), both["wet"])
    np.testing.assert_allclose(net.predict_proba(known, "wet"), posterior.marginal("wet"))


def test_the_column_to_predict_is_not_looked_at(net, frame):
    without = frame.drop(columns="wet")
    np.testing.assert_array_equal(net.predict(frame, "wet"), net.predict(without))
    np.testing.assert_array_equal(
        net.predict_proba(frame, "wet"), net.predict_proba(without, "wet")
    )
    accuracy = (net.predict(frame, "wet") == frame["wet"]).mean()
    assert 0.7 < accuracy < 1


def test_fit_and_predict_chain(net, frame):
    assert net.fit(frame, "bdeu").predict_proba(frame, "season").shape == (len(frame), 3)


def test_predictions_from_files_and_single_rows(tmp_path, net, frame):
    frame.to_csv(tmp_path / "garden.csv", index=False)
    np.testing.assert_array_equal(
        net.predict(tmp_path / "garden.csv", "sprinkler"), net.predict(frame, "sprinkler")
    )
    assert net.predict({"season": "dry", "sprinkler": 1, "rain": False}).tolist() == ["no"]


def test_the_score_is_the_mean_log_likelihood(net, frame):
    expected = sum(
        np.log(net.distribution(v).values.numpy()[tuple(
            net.variable(p).code(row[p]) for p in (*net.parents(v), v)
        )])
        for _, row in frame.iterrows()
        for v in net.variables
    )  # fmt: skip
    assert net.score(frame) == pytest.approx(expected / len(frame))
    assert net.score(frame[["season"]]) > net.score(frame)
    net.fit(frame.assign(wet="yes"), "maximum_likelihood")
    assert net.score({"wet": ["no"]}) == -np.inf


def test_expected_values_of_a_continuous_variable():
    a, x = mm.Variable("a", ("low", "high")), mm.Variable("x", shape=(2,), family="gaussian")
    leaf = mm.GaussianLeaf(x, (a,), [[0.0, 0], [10, 20]], np.ones((2, 2)), "diagonal")
    net = mm.BayesianNetwork((a, x), (mm.TableFactor((a,), [0.75, 0.25], child=a), leaf))
    np.testing.assert_allclose(net.predict({"a": ["low", "high", None]}, "x"),
                               [[0, 0], [10, 20], [2.5, 5]])  # fmt: skip
    with pytest.raises(errors.EvidenceError, match="'x' is continuous: predict it by itself"):
        net.predict({"a": ["low"]}, ["a", "x"])


def test_what_cannot_be_predicted_is_refused(net, frame):
    with pytest.raises(errors.EvidenceError, match="gives every variable"):
        net.predict(frame)
    with pytest.raises(errors.EvidenceError, match="no variable"):
        net.predict(frame, [])
    with pytest.raises(errors.UnknownVariableError, match="'rian'"):
        net.predict(frame, "rian")
    with pytest.raises(errors.UnknownVariableError, match="'rian'"):
        net.predict_proba(frame, "rian")
