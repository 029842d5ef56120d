"""Machines as scikit-learn's estimators: parameters, fitted or not, what goes in and comes out."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas
import pytest
import sklearn
import torch
from scipy.sparse import csr_matrix, dok_array
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError as TheirError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import mmgraph as mm
from mmgraph.graph import errors

X = mm.Variable("x", shape=(6,), family="gaussian")
QUICK = {"objective": "multi_prediction", "epochs": 10, "batch_size": 25, "learning_rate": 0.03}


def labelled(rows: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, rows)
    means = np.random.default_rng(9).normal(size=(3, 6)) * 2
    return means[y] + generator.normal(size=(rows, 6)), np.array(["b", "c", "a"])[y]


def classifier(**options) -> mm.RestrictedBoltzmannMachine:
    labels = mm.Variable("y", ("c", "a", "b"))
    return mm.RestrictedBoltzmannMachine(X, 12, labels, **{**QUICK, **options})


def every_kind() -> list:
    return [
        mm.RestrictedBoltzmannMachine(hidden=5, labels="y", epochs=1),
        mm.DeepBoltzmannMachine(hidden=(5, 4), labels="y", epochs=1),
        mm.MultimodalDeepBoltzmannMachine(joint=4, labels="y", label_links="all", epochs=1),
        classifier(epochs=1),
    ]


def test_options_of_training_are_parameters():
    machine = classifier()
    params = machine.get_params()
    assert (params["epochs"], params["learning_rate"], params["hidden"]) == (10, 0.03, 12)
    assert params["gradient_bound"] == "auto"  # which depends on the objective
    assert machine.get_params(deep=False) == machine.get_params()
    made = type(machine)(**params)
    assert made.get_params() == params
    machine.set_params(epochs=3, seed=4)
    machine.fit(*labelled())
    assert len(machine.fit_report.history) == 3
    assert len(machine.fit(*labelled(), epochs=2).fit_report.history) == 2  # the call wins
    assert machine.get_params()["epochs"] == 3
    copied = clone(machine)
    assert copied.get_params() == machine.get_params()
    assert not copied.is_fitted


def test_fit_options_and_single_options():
    machine = mm.RestrictedBoltzmannMachine(X, 3, fit_options={"epochs": 7, "seed": 2}, epochs=5)
    assert machine.training_options == {"epochs": 5, "seed": 2}
    assert machine.get_params()["fit_options__epochs"] == 7
    machine.set_params(fit_options__epochs=9)
    assert machine.training_options["epochs"] == 9
    assert machine.get_params()["fit_options"]["epochs"] == 9
    machine.set_params(epochs=4)
    assert machine.get_params()["epochs"] == 4
    machine.fit(labelled()[0], settings={"batch_size": 50, "epochs": 6})
    assert len(machine.fit_report.history) == 6  # settings replace the options of the loop


def test_parameters_that_do_not_exist():
    for build in (
        lambda: mm.RestrictedBoltzmannMachine(X, 3, epoch=4),
        lambda: mm.DeepBoltzmannMachine(X, epoch=4),
        lambda: mm.MultimodalDeepBoltzmannMachine([mm.Pathway(X)], 3, epoch=4),
    ):
        with pytest.raises(
            errors.LearningError, match="no parameter 'epoch'; did you mean 'epochs'"
        ):
            build()
    with pytest.raises(
        errors.GraphError, match="no parameter 'learningrate'; did you mean 'learning_r"
    ):
        classifier().set_params(learningrate=0.1)
    with pytest.raises(errors.LearningError, match="learning_rate must lie in"):
        classifier().set_params(learning_rate=-1.0).fit(*labelled())


def test_searches_over_options_of_training():
    x, y = labelled()
    grid = {"learning_rate": [1e-5, 0.03], "epochs": [5], "hidden": [12]}
    search = GridSearchCV(classifier(), grid, cv=2, scoring="neg_log_loss").fit(x, y)
    assert search.best_params_ == {"learning_rate": 0.03, "epochs": 5, "hidden": 12}
    assert search.score(x, y) > -0.7
    nested = GridSearchCV(
        make_pipeline(StandardScaler(), classifier(epochs=5)),
        {"restrictedboltzmannmachine__learning_rate": [1e-5, 0.03]},
        cv=2,
    ).fit(x, y)
    assert nested.best_params_ == {"restrictedboltzmannmachine__learning_rate": 0.03}


def test_scores_and_calibration():
    x, y = labelled()
    assert cross_val_score(classifier(), x, y, cv=2, scoring="roc_auc_ovr").mean() > 0.95
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(x, y)
    assert calibrated.classes_.tolist() == ["a", "b", "c"]
    assert calibrated.score(*labelled(200, 1)) > 0.85


def test_an_unfitted_machine_refuses_to_predict():
    x, y = labelled()
    for machine in every_kind():
        assert is_classifier(machine)
        with pytest.raises(TheirError, match="not fitted yet"):
            check_is_fitted(machine)
        for ask in (machine.predict, machine.predict_proba, machine.transform, machine.score):
            with pytest.raises(errors.NotFittedError) as caught:
                ask(x)
            assert isinstance(caught.value, TheirError)
            assert isinstance(caught.value, errors.MmgraphError)
        again = pickle.loads(pickle.dumps(caught.value))
        assert isinstance(again, TheirError)
        assert str(again) == str(caught.value)
        machine.fit(x, y)
        check_is_fitted(machine)
        assert machine.predict(x).shape == (150,)
        with pytest.raises(TheirError):
            check_is_fitted(clone(machine))


def test_layers_that_wait_for_data(tmp_path):
    machine = every_kind()[0]
    assert repr(machine) == "RestrictedBoltzmannMachine(?-5; 0 parameters)"
    assert not hasattr(machine, "n_features_in_")
    assert (machine.dtype, machine.device.type) == (torch.float32, "cpu")
    with pytest.raises(errors.NotFittedError, match="takes its layers from the data of fit"):
        machine.represent(labelled()[0])
    with pytest.raises(errors.NotFittedError):
        machine.get_feature_names_out()
    with pytest.raises(errors.NotFittedError):
        mm.write(machine, tmp_path / "machine.mmgraph")
    assert not (tmp_path / "machine.mmgraph").exists()


@pytest.mark.slow
def test_the_error_needs_no_scikit_learn():
    program = (
        "import sys, mmgraph as mm\n"
        "x = mm.Variable('x', 2, shape=(2,))\n"
        "try:\n"
        "    mm.RestrictedBoltzmannMachine(x, 2).transform([[0, 1]])\n"
        "except mm.graph.errors.NotFittedError as error:\n"
        "    print(type(error).__mro__[1].__name__, 'sklearn' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.split() == ["MmgraphError", "False"], found.stderr


def test_machines_out_of_files_count_as_fitted(tmp_path):
    x, y = labelled()
    for machine in every_kind():
        machine.fit(x, y)
        mm.write(machine, tmp_path / "machine.mmgraph")
        joblib.dump(machine, tmp_path / "machine.joblib")
        buffer = io.BytesIO(pickle.dumps(machine))
        expected = machine.predict_proba(x)
        for found in (
            mm.read(tmp_path / "machine.mmgraph"),
            joblib.load(tmp_path / "machine.joblib"),
            pickle.load(buffer),
            machine.to(dtype=torch.float32),
        ):
            check_is_fitted(found)
            assert found.n_features_in_ == 6
            assert found.classes_.tolist() == ["a", "b", "c"]
            np.testing.assert_allclose(found.predict_proba(x), expected, atol=1e-5)
    written = classifier(epochs=1, objective="multi_prediction").fit(x, y)
    other = mm.read(_written(written, tmp_path))
    check_is_fitted(other)
    assert other.sweeps == written.sweeps is not None
    np.testing.assert_array_equal(other.predict_proba(x), written.predict_proba(x))
    assert other.score(x, y) == written.score(x, y)


def _written(machine: mm.RestrictedBoltzmannMachine, directory) -> str:
    path = directory / "other.mmgraph"
    mm.write(machine, path)
    return str(path)


def test_representations_in_frames():
    x, y = labelled()
    frame = pandas.DataFrame(x, columns=list("abcdef"), index=range(5, 155))
    machine = mm.RestrictedBoltzmannMachine(hidden=3, epochs=2)
    pipeline = make_pipeline(StandardScaler(), machine).set_output(transform="pandas")
    found = pipeline.fit_transform(frame, y)
    assert list(found.columns) == ["hidden[0]", "hidden[1]", "hidden[2]"]
    assert list(found.index) == list(frame.index)
    assert list(pipeline.get_feature_names_out()) == list(found.columns)
    plain = clone(machine).set_output(transform="default").fit_transform(x)
    assert isinstance(plain, np.ndarray)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(machine.fit(x).transform(x), pandas.DataFrame)
    assert isinstance(clone(machine.set_output(transform="pandas")).fit_transform(x),
                      pandas.DataFrame)  # fmt: skip
    with pytest.raises(errors.GraphError, match="no 'panda'; did you mean 'pandas'"):
        machine.set_output(transform="panda")


def test_names_of_columns_are_checked():
    x, y = labelled()
    frame = pandas.DataFrame(x, columns=list("abcdef"))
    for machine in (every_kind()[0], classifier(epochs=1)):
        machine.fit(frame, y)
        assert machine.feature_names_in_.tolist() == list("abcdef")
        np.testing.assert_array_equal(machine.predict(frame), machine.predict(x))
        with pytest.raises(errors.EvidenceError, match="must be in the same order"):
            machine.predict(frame[list("fedcba")])
        with pytest.raises(errors.EvidenceError, match="unseen at fit time:\n- z"):
            machine.predict(frame.rename(columns={"a": "z"}))
        renamed = machine.fit(frame.rename(columns={"a": "z"}), y)
        assert renamed.feature_names_in_.tolist() == list("zbcdef")
        assert not hasattr(machine.fit(x, y), "feature_names_in_")
    named = {f"x[{i}]": x[:, i] for i in (3, 1, 0, 2, 5, 4)}
    by_name = classifier(epochs=1).fit(pandas.DataFrame(named), y)
    assert not hasattr(by_name, "feature_names_in_")
    np.testing.assert_array_equal(by_name.predict(x), by_name.predict(pandas.DataFrame(named)))


def test_units_by_the_kind_of_the_columns():
    x, y = labelled()
    kinds = {
        "gaussian": (x, 6),
        "bernoulli": (x > 0, 6),
    }
    for family, (data, columns) in kinds.items():
        machine = mm.RestrictedBoltzmannMachine(hidden=4, epochs=1).fit(data)
        (variable,) = machine.visible
        assert (variable.family, variable.shape) == (family, (columns,))
        assert machine.get_params()["visible"] is None
    frame = pandas.DataFrame({"level": x[:, 0], "on": x[:, 1] > 0, "word": y})
    machine = mm.DeepBoltzmannMachine(hidden=(4, 3), epochs=1).fit(frame)
    assert [(v.name, v.family) for v in machine.visible] == [
        ("level", "gaussian"), ("on", "bernoulli"), ("word", "categorical"),
    ]  # fmt: skip
    assert machine.variables["word"].labels == ("a", "b", "c")
    assert machine.transform(frame[["word", "level"]]).shape == (150, 3)
    with pytest.raises(errors.LearningError, match="neither numbers alone nor texts alone"):
        machine.fit(pandas.DataFrame({"a": ["x", 3]}))
    with pytest.raises(errors.LearningError, match=r"n_samples=1"):
        machine.fit(x[:1])
    with pytest.raises(errors.LearningError, match="and takes them from arrays"):
        machine.fit(None)
    machine.fit(x[:, :2])  # other columns, other units
    assert machine.n_features_in_ == 2


def test_fine_tuning_keeps_the_layers_that_data_gave():
    x, y = labelled()
    machine = mm.RestrictedBoltzmannMachine(hidden=12, labels="y", **QUICK).fit(x, y)
    before = machine.parameters()["weights:x:hidden"].clone()
    machine.fit(x[y != "a"], y[y != "a"], objective="fine_tuning", epochs=1, learning_rate=1e-6)
    assert machine.classes_.tolist() == ["a", "b", "c"]
    torch.testing.assert_close(machine.parameters()["weights:x:hidden"], before, atol=1e-3, rtol=0)


def test_pathways_by_the_modalities_of_the_data():
    x, y = labelled()
    rows = {"sound": x[:, :4], "switch": csr_matrix((x[:, 4:] > 0).astype(float))}
    machine = mm.MultimodalDeepBoltzmannMachine({"sound": (5, 4), "switch": 3}, 4, "y", **QUICK)
    machine.fit(rows, y)
    assert [(p.name, p.sizes) for p in machine.pathways] == [("sound", (5, 4)), ("switch", (3,))]
    assert [v.family for v in machine.visible] == ["gaussian", "bernoulli"]
    assert machine.predict({"sound": x[:, :4]}).shape == (150,)
    default = mm.MultimodalDeepBoltzmannMachine(joint=4, epochs=1).fit(rows)
    assert [(p.name, p.sizes) for p in default.pathways] == [("sound", (4,)), ("switch", (4,))]
    level = mm.Variable("level", family="gaussian")
    mixed = mm.MultimodalDeepBoltzmannMachine({"sound": 3, "level": mm.Pathway(level)}, 4, epochs=1)
    mixed.fit({"sound": x[:, :4], "level": x[:, 5]})
    assert mixed.visible[1] is level
    with pytest.raises(errors.LearningError, match="the data lacks 'switch'"):
        clone(machine).fit({"sound": x}, y)
    with pytest.raises(errors.LearningError, match="from a mapping of arrays by modality"):
        clone(machine).fit(x, y)


def test_sparse_blocks_of_a_mapping():
    words = mm.Variable("words", shape=(3,), family="replicated_softmax", modality="text")
    image = mm.Variable("image", shape=(2, 2), family="bernoulli", modality="camera")
    machine = mm.MultimodalDeepBoltzmannMachine([mm.Pathway(words, 2), mm.Pathway(image, 2)], 3)
    counts, pixels = np.array([[1, 0, 2], [0, 4, 0]]), np.array([[0, 1, 1, 0], [1, 0, 0, 0.5]])
    expected = machine.represent({"words": counts, "image": pixels.reshape(2, 2, 2)})
    for sparse in (csr_matrix, dok_array):
        for names in (("words", "image"), ("text", "camera")):
            given = dict(zip(names, (sparse(counts), sparse(pixels)), strict=True))
            torch.testing.assert_close(machine.represent(given), expected)
    machine.fit({"text": csr_matrix(counts), "camera": csr_matrix(pixels)}, epochs=1)
    assert machine.transform({"text": csr_matrix(counts)}).shape == (2, 3)


@pytest.mark.slow
def test_a_machine_in_the_middle_of_a_pipeline():
    x, y = labelled()
    pipeline = make_pipeline(
        StandardScaler(),
        mm.RestrictedBoltzmannMachine(hidden=20, **{**QUICK, "epochs": 20}),
        LogisticRegression(max_iter=500),
    )
    assert cross_val_score(pipeline, x, y, cv=2).mean() > 0.85
