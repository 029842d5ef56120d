"""How Boltzmann machines are built, and what users may give them."""

from __future__ import annotations

import pickle

import numpy as np
import pandas
import pytest
import torch

import mmgraph as mm
from mmgraph.graph import errors
from mmgraph.networks.boltzmann.answers import PriorWarning
from tests.inference.unit_models import by_listing
from tests.networks.boltzmann_machines import every_family, rows_of, scattered

SOUND = mm.Variable("spectrum", shape=(4,), family="gaussian", modality="sound")
LEVEL = mm.Variable("level", family="gaussian", modality="sound")
CAMERA = mm.Variable("pixels", shape=(2, 3), family="bernoulli", modality="camera")
LABEL = mm.Variable("label", ("no", "yes"))


def two_sensors(**options) -> mm.MultimodalDeepBoltzmannMachine:
    options.setdefault("labels", LABEL)
    options.setdefault("generator", torch.Generator().manual_seed(0))
    return mm.MultimodalDeepBoltzmannMachine(
        [mm.Pathway((SOUND, LEVEL), (3, 5)), mm.Pathway(CAMERA, 4)], 6, **options
    )


def data_of(rows: int = 8, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        "spectrum": generator.normal(size=(rows, 4)),
        "level": generator.normal(size=rows),
        "pixels": generator.integers(0, 2, (rows, 2, 3)),
    }


def test_layers_and_names():
    machine = two_sensors()
    assert [p.name for p in machine.pathways] == ["sound", "camera"]
    assert [v.name for v in machine.visible] == ["spectrum", "level", "pixels"]
    assert [v.name for v in machine.hidden] == [
        "sound.hidden1", "sound.hidden2", "camera.hidden1", "joint",
    ]  # fmt: skip
    assert machine.joint.shape == (6,)
    assert machine.labels is LABEL
    assert machine.modalities == ("sound", "camera")
    assert machine.levels == (
        ("spectrum", "level", "pixels", "label"),
        ("sound.hidden1", "camera.hidden1"),
        ("sound.hidden2",),
        ("joint",),
    )
    joined = {tuple(v.name for v in f.scope) for f in machine.factors if len(f.scope) == 2}
    assert joined == {
        ("spectrum", "sound.hidden1"), ("level", "sound.hidden1"),
        ("sound.hidden1", "sound.hidden2"), ("sound.hidden2", "joint"),
        ("pixels", "camera.hidden1"), ("camera.hidden1", "joint"), ("label", "joint"),
    }  # fmt: skip
    weights = 4 * 3 + 3 + 3 * 5 + 5 * 6 + 6 * 4 + 4 * 6 + 2 * 6
    biases_and_precisions = 2 * (4 + 1) + 6 + 2 + 3 + 5 + 4 + 6
    assert machine.parameters_count == weights + biases_and_precisions
    assert "MultimodalDeepBoltzmannMachine((4+1-3-5, 6-4)-6, labels 'label'" in repr(machine)


def test_weights_start_small_and_biases_at_zero():
    machine = mm.RestrictedBoltzmannMachine(CAMERA, 200, generator=torch.Generator().manual_seed(1))
    numbers = machine.parameters()
    assert not numbers["bias:pixels"].any()
    assert not numbers["bias:hidden"].any()
    assert float(numbers["weights:pixels:hidden"].std()) == pytest.approx(0.01, rel=0.1)
    assert machine.dtype == torch.float32
    assert repr(machine) == "RestrictedBoltzmannMachine(6-200; 1,406 parameters)"


def test_a_deep_machine_is_a_chain_of_layers():
    machine = mm.DeepBoltzmannMachine(CAMERA, (5, 4, 3))
    assert [v.name for v in machine.hidden] == ["hidden1", "hidden2", "hidden3"]
    assert machine.joint.name == "hidden3"
    assert machine.labels is None


def test_families_of_hidden_units_by_pathway():
    machine = mm.MultimodalDeepBoltzmannMachine(
        {"ears": mm.Pathway(SOUND, 3, hidden_family="rectified_gaussian"),
         "eyes": mm.Pathway(CAMERA, 3)},
        2,
    )  # fmt: skip
    families = {v.name: v.family for v in machine.hidden}
    assert families == {
        "ears.hidden1": "rectified_gaussian", "eyes.hidden1": "bernoulli", "joint": "bernoulli",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: mm.RestrictedBoltzmannMachine(CAMERA, 0), "'hidden' must have .* not 0"),
        (lambda: mm.RestrictedBoltzmannMachine(CAMERA, 2.5), "not 2.5"),
        (lambda: mm.DeepBoltzmannMachine(CAMERA, ()), "at least one hidden layer"),
        (lambda: mm.DeepBoltzmannMachine(CAMERA, (3, -1)), "'hidden2' must have"),
        (lambda: mm.RestrictedBoltzmannMachine([CAMERA, CAMERA], 3), "two variables .* 'pixels'"),
        (lambda: mm.RestrictedBoltzmannMachine([], 3), "at least one variable"),
        (lambda: mm.RestrictedBoltzmannMachine("pixels", 3), "not of 'p'"),
        (lambda: mm.RestrictedBoltzmannMachine(CAMERA, 3, SOUND), "'spectrum' must be one categ"),
        (lambda: mm.RestrictedBoltzmannMachine(CAMERA, 3, 10), "labels are a categorical var"),
        (
            lambda: mm.RestrictedBoltzmannMachine(CAMERA, 3, mm.Variable("k", 2, shape=(3,))),
            r"of shape \(3,\)",
        ),
        (
            lambda: mm.RestrictedBoltzmannMachine(mm.Variable("hidden", 2), 3),
            "two variables are called 'hidden'",
        ),
        (
            lambda: mm.RestrictedBoltzmannMachine(CAMERA, 3, hidden_family="bernouli"),
            "did you mean 'bernoulli'",
        ),
        (lambda: mm.MultimodalDeepBoltzmannMachine([], 3), "at least one pathway"),
        (lambda: mm.MultimodalDeepBoltzmannMachine([CAMERA], 3), "mm.Pathway"),
        (lambda: mm.MultimodalDeepBoltzmannMachine(mm.Pathway(CAMERA), 3), "a list of mm.Pathway"),
        (lambda: mm.MultimodalDeepBoltzmannMachine(-1, 3), "a list of mm.Pathway.*not -1"),
        (
            lambda: mm.MultimodalDeepBoltzmannMachine([mm.Pathway(CAMERA, 2)], 0),
            "'joint' must have",
        ),
        (
            lambda: mm.MultimodalDeepBoltzmannMachine(
                [mm.Pathway(SOUND, 2), mm.Pathway(LEVEL, 2)], 3
            ),
            "two pathways are called 'sound'",
        ),
        (lambda: mm.Pathway(CAMERA, (3, 0)), "pathway 'camera' must have"),
    ],
)
def test_machines_that_cannot_be(build, message):
    with pytest.raises(errors.GraphError, match=message):
        build()


def test_data_may_come_in_many_forms():
    machine = scattered(two_sensors())
    data = data_of()
    expected = machine.represent(data)
    sound = np.concatenate([data["spectrum"], data["level"][:, None]], 1)
    columns = np.concatenate([sound, data["pixels"].reshape(8, 6)], 1)
    by_element = {f"spectrum[{i}]": data["spectrum"][:, i] for i in range(4)}
    without_camera = machine.represent({**data, "pixels": None})
    for given in (
        {"sound": sound, "camera": data["pixels"]},
        {"sound": torch.from_numpy(sound), "pixels": torch.from_numpy(data["pixels"])},
        mm.Evidence.of(data, machine.variables),
        columns,
        torch.from_numpy(columns),
        columns.tolist(),
        pandas.DataFrame(columns),
    ):
        torch.testing.assert_close(machine.represent(given), expected)
    frame = pandas.DataFrame({**by_element, "level": data["level"]})
    torch.testing.assert_close(machine.represent(frame), without_camera)
    torch.testing.assert_close(machine.represent({**data, "camera": None}), expected)
    torch.testing.assert_close(machine.represent({"sound": sound, "camera": None}), without_camera)
    columns[:, 5:] = np.nan
    torch.testing.assert_close(machine.represent(columns), without_camera)


def test_variables_may_be_single_quantities():
    visible = [
        mm.Variable("c", ("x", "y", "z")),
        mm.Variable("b", ("off", "on"), family="bernoulli"),
        mm.Variable("r", family="rectified_gaussian"),
        mm.Variable("g", family="gaussian"),
    ]
    machine = scattered(mm.DeepBoltzmannMachine(visible, (3, 2), dtype=torch.float64))
    data = {
        "c": ["x", None, "z"], "b": ["on", "off", None],
        "r": [0.3, np.nan, 1.0], "g": [np.nan, 2.0, 1.0],
    }  # fmt: skip
    columns = [[0, 1, 0.3, np.nan], [np.nan, 0, np.nan, 2.0], [2, np.nan, 1.0, 1.0]]
    exact = machine.represent(data, method="auto")
    torch.testing.assert_close(machine.represent(columns, method="auto"), exact)
    row = {"c": 0, "b": 1, "r": 0.3, "g": np.nan}
    truth = by_listing(machine, {n: np.array(v) for n, v in row.items()})
    np.testing.assert_allclose(exact[0], truth.means["hidden2"])
    assert machine.impute(columns)["g"].shape == (3,)
    assert machine.impute(columns, draws=2, sampling={"burn_in": 1}).samples["c"].shape == (3, 2)
    machine.fit({n: values * 5 for n, values in data.items()}, epochs=2, learning_rate=1e-3)
    machine.fit({n: values * 5 for n, values in data.items()}, epochs=2,
                objective="multi_prediction", learning_rate=1e-3)  # fmt: skip
    assert machine.represent(data).isfinite().all()


def test_sparse_arrays_are_read():
    from scipy.sparse import csr_array

    words = mm.Variable("words", shape=(3,), family="replicated_softmax")
    machine = scattered(mm.RestrictedBoltzmannMachine(words, 2))
    counts = np.array([[1, 0, 2], [0, 4, 0]])
    torch.testing.assert_close(machine.represent(csr_array(counts)), machine.represent(counts))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            np.zeros((3, 10)),
            errors.EvidenceError,
            r"\(rows, 11\) was expected, the columns of 'spectrum'",
        ),
        (np.zeros(10), errors.EvidenceError, r"shape \(10,\)"),
        ([[1.0], [1.0, 2.0]], errors.EvidenceError, "the data"),
        ({"sound": np.zeros((3, 4))}, errors.EvidenceError, "'sound' has shape"),
        (
            {"sound": np.zeros((3, 5)), "level": np.zeros(3)},
            errors.EvidenceError,
            "'level' by itself",
        ),
        ({"souns": np.zeros((3, 5))}, errors.UnknownVariableError, "'souns'"),
        (
            {"pixels": np.full((2, 2, 3), 7)},
            errors.UnknownStateError,
            r"row 0, element \[0, 0\]: .*7",
        ),
        ({"spectrum": np.full((1, 4), np.inf)}, errors.EvidenceError, "infinite in row 0"),
    ],
)
def test_data_that_does_not_fit(given, error, message):
    with pytest.raises(error, match=message):
        two_sensors().represent(given)


def test_a_column_of_an_array_is_named_by_variable_and_element():
    columns = np.zeros((5, 11))
    columns[3, 9] = 7
    with pytest.raises(errors.UnknownStateError, match=r"row 3, element \[1, 1\]: .*'pixels'.* 7"):
        two_sensors().represent(columns)


def test_documents_without_words_or_in_part_are_refused():
    words = mm.Variable("words", shape=(3,), family="replicated_softmax")
    machine = mm.RestrictedBoltzmannMachine(words, 2)
    with pytest.raises(errors.EvidenceError, match="no words in row 1"):
        machine.represent([[1, 2, 0], [0, 0, 0]])
    with pytest.raises(errors.EvidenceError, match="lacks the count of word 2 in row 0"):
        machine.represent([[1.0, 2.0, np.nan]])


def test_imputation_fills_in_what_is_missing_and_nothing_else():
    machine = scattered(two_sensors(dtype=torch.float64))
    data = data_of()
    data["spectrum"][2, 1] = np.nan
    del data["pixels"]
    filled = machine.impute(
        data, draws=5, generator=torch.Generator().manual_seed(0), sampling={"burn_in": 3}
    )
    assert set(filled.means) == set(filled.samples) == {"spectrum", "pixels"}
    assert filled["pixels"].shape == (8, 2, 3)
    assert filled.samples["pixels"].shape == (8, 5, 2, 3)
    known = ~np.isnan(data["spectrum"])
    np.testing.assert_array_equal(filled["spectrum"].numpy()[known], data["spectrum"][known])
    assert filled["spectrum"].isfinite().all()
    drawn = filled.samples["spectrum"].numpy()
    np.testing.assert_array_equal(
        drawn[0], np.broadcast_to(data["spectrum"][0].astype(drawn.dtype), (5, 4))
    )
    assert len(np.unique(drawn[2, :, 1])) == 5
    one = machine.impute({n: a[:1] for n, a in data.items()}, "label", draws=3)
    assert one["label"].shape == (1, 2)
    assert one.samples["label"].shape == (1, 3)
    with pytest.raises(errors.UnknownVariableError, match="did you mean 'pixels'"):
        machine.impute(data, "pixls")


def test_predictions_are_labels_of_the_variable():
    machine = scattered(two_sensors())
    chances = machine.predict_proba(data_of())
    assert isinstance(chances, np.ndarray)
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-5)
    expected = np.array(["no", "yes"])[chances.argmax(1)]
    assert (machine.predict(data_of()) == expected).all()
    with pytest.raises(errors.GraphError, match="no label units"):
        two_sensors(labels=None).predict_proba(data_of())


def test_layers_without_a_distribution_are_no_answer():
    machine = mm.RestrictedBoltzmannMachine(SOUND, 3, hidden_family="rectified_gaussian")
    machine.parameters()["weights:spectrum:hidden"].fill_(5.0)  # the precisions are one
    message = "'spectrum' and 'hidden', whose units are not bounded"
    with (
        pytest.warns(PriorWarning),
        pytest.raises(errors.MmgraphError, match=f"mean of 'hidden' is not finite.*{message}"),
    ):
        machine.represent(iterations=200)
    data = {"spectrum": torch.ones(2, 4)}
    assert machine.represent(data).isfinite().all()
    with pytest.raises(errors.MmgraphError, match=f"weight of a chain is not finite.*{message}"):
        machine.log_likelihood(data, steps=400, chains=10)


def test_moved_machines_answer_the_same():
    machine = scattered(two_sensors())
    moved = machine.to(dtype=torch.float64)
    assert type(moved) is type(machine)
    assert moved.dtype == torch.float64
    assert moved.get_params()["dtype"] == torch.float64
    np.testing.assert_allclose(moved.represent(data_of()), machine.represent(data_of()), atol=1e-5)
    moved.parameters()["bias:joint"].zero_()
    assert machine.parameters()["bias:joint"].any()


def test_machines_answer_on_the_gpu(cuda):
    machine = scattered(two_sensors())
    moved = machine.to(cuda)
    np.testing.assert_allclose(
        moved.represent(data_of()).cpu(), machine.represent(data_of()), atol=1e-5
    )
    moved.fit(data_of(), ["no", "yes"] * 4, epochs=1, pretrain=None)
    assert moved.device.type == "cuda"


def test_machines_go_to_other_processes_and_back():
    machine = every_family()
    found = pickle.loads(pickle.dumps(machine))
    data = rows_of(machine)
    data = {n: a[:5] for n, a in data.items()}
    torch.testing.assert_close(found.represent(data), machine.represent(data), rtol=0, atol=0)
    lengths = [f.length for f in machine.factors if isinstance(f, mm.BiasFactor)]
    assert [f.length for f in found.factors if isinstance(f, mm.BiasFactor)] == lengths


def test_a_machine_with_other_factors_is_a_copy():
    pixels = mm.Variable("pixels", shape=(3,), family="bernoulli")
    first, second = (
        mm.RestrictedBoltzmannMachine(pixels, 2, generator=torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    )
    before = {name: tensor.clone() for name, tensor in first.parameters().items()}
    made = first.with_factors(second.factors)
    assert type(made) is type(first)
    for name, tensor in second.parameters().items():
        assert torch.equal(made.parameters()[name], tensor)
        assert torch.equal(first.parameters()[name], before[name])
