"""Learning on a device beside learning on the CPU: counts, EM, random fields, machines."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import MmgraphError
from mmgraph.learning.counts import count_cells
from tests.pretended_cuda import PretendedTensor

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
DATA = np.random.default_rng(0)
BITS, REALS = (DATA.random((12, 4)) < 0.5).astype(float), DATA.normal(size=(12, 3))
ROWS, LABELS = {"bits": BITS, "reals": REALS}, ["u", "v"] * 6
OBJECTIVES = {
    "contrastive divergence": {"pretrain": None},
    "tempered": {"temperatures": [1.0, 2.0], "pretrain": None},
    "pretraining": {"pretrain": "greedy"},
    "multi-prediction": {"objective": "multi_prediction", "prediction": {"sweeps": 2}},
    "fine tuning": {"objective": "fine_tuning"},
}


def network(gaussian: bool = False) -> mm.BayesianNetwork:
    a, b, c = (mm.Variable(n, 2) for n in "abc")
    tables = [
        mm.TableFactor([a], [0.5, 0.5], child=a),
        mm.TableFactor([a, b], [[0.9, 0.1], [0.3, 0.7]], child=b),
        mm.TableFactor([a, b, c], np.full((2, 2, 2), 0.5), child=c),
    ]
    if not gaussian:
        return mm.BayesianNetwork([a, b, c], tables)
    x = mm.Variable("x", shape=(2,), family="gaussian")
    leaf = mm.GaussianLeaf(
        x, [b], means=[[0, 0], [1, 1]], covariances=np.ones((2, 2)), covariance="diagonal"
    )
    return mm.BayesianNetwork([a, b, c, x], [*tables, leaf])


def rows(missing: bool) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    found = {n: generator.integers(0, 2, 40) for n in "abc"}
    if missing:
        for codes in found.values():
            codes[generator.random(40) < 0.3] = -1
    return found


@pytest.mark.parametrize("method", ["maximum_likelihood", "bdeu", "dirichlet", "em"])
def test_networks(cuda, method):
    def fitted(**options) -> mm.BayesianNetwork:
        if method == "em":
            options |= {"max_iterations": 2, "generator": torch.Generator().manual_seed(0)}
        return network().fit(rows(method == "em"), method=method, **options)

    there, here = fitted(device=cuda), fitted()
    for name in "abc":
        table = there.distribution(name).values
        assert not table.is_cuda
        torch.testing.assert_close(table, here.distribution(name).values, rtol=0, atol=1e-9)
    assert there.predict(rows(False), "c").tolist() == here.predict(rows(False), "c").tolist()


def test_leaves_by_expectation_maximisation(cuda):
    data = rows(missing=True) | {"x": np.random.default_rng(2).normal(size=(40, 2))}

    def means(**options) -> torch.Tensor:
        options |= {"max_iterations": 2, "generator": torch.Generator().manual_seed(0)}
        return network(gaussian=True).fit(data, method="em", **options).distribution("x").means

    torch.testing.assert_close(means(device=cuda), means(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "inference"),
    [
        ("piecewise", "mean_field"),
        ("pseudo_likelihood", "mean_field"),
        ("marginal_likelihood", "mean_field"),
        pytest.param("maximum_likelihood", "mean_field", marks=pytest.mark.slow),
        pytest.param("maximum_likelihood", "belief_propagation", marks=pytest.mark.slow),
    ],
)
def test_conditional_random_fields(cuda, method, inference):
    scores = np.random.default_rng(0).normal(size=(3, 3, 2))
    labels = np.random.default_rng(1).integers(-1, 2, (3, 3))

    def learned(device: str | None) -> torch.Tensor:
        field = mm.ConditionalRandomField(2, ["a"], mm.Potts(), neighbours=4)
        image = mm.LabelledImage({"a": scores}, labels, {"a": scores})
        field.fit(
            image, method, inference, folds=2, iterations=2, rounds=1, updates=2, device=device,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        return field.parameters

    found = learned(cuda)
    assert not found.is_cuda
    torch.testing.assert_close(found, learned(None), rtol=0, atol=1e-7)


def test_scales_of_a_random_field(cuda):
    x = mm.Variable("x", 2, (3, 3))
    unary = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(3, 3, 2)
    labels = np.array([[0, 0, 1], [0, 1, 1], [-1, 0, 1]])

    def weight(device: str | None) -> torch.Tensor:
        field = mm.MarkovRandomField([x], [mm.UnaryFactor(x, unary), mm.GridFactor(x, mm.Potts())])
        field.fit(labels, iterations=4, rounds=1, device=device)
        return field.factors[1].weights

    found = weight(cuda)
    assert not found.is_cuda
    assert float(found.mean()) != 1
    torch.testing.assert_close(found, weight(None), rtol=0, atol=1e-9)


def machine() -> mm.MultimodalDeepBoltzmannMachine:
    bits = mm.Variable("bits", shape=(4,), family="bernoulli", modality="bits")
    reals = mm.Variable("reals", shape=(3,), family="gaussian", modality="reals")
    return mm.MultimodalDeepBoltzmannMachine(
        [mm.Pathway(bits, 2), mm.Pathway(reals, 2)],
        2,
        labels=mm.Variable("y", ("u", "v")),
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )


def trained(device: str | None, checkpoint: Path | None = None, **options) -> mm.FactorGraph:
    settings = {"epochs": 1, "batch_size": 6, **options}
    return machine().fit(ROWS, LABELS, device=device, checkpoint=checkpoint, **settings)


def assert_same(found: mm.FactorGraph, wanted: mm.FactorGraph, tolerance: float = 1e-12) -> None:
    for name, tensor in wanted.parameters().items():
        torch.testing.assert_close(
            found.parameters()[name].cpu(), tensor.cpu(), rtol=0, atol=tolerance
        )


@pytest.mark.parametrize(
    "objective",
    [pytest.param(o, marks=[] if o == "fine tuning" else [pytest.mark.slow]) for o in OBJECTIVES],
)
def test_machines_by_all_objectives(cuda, objective):
    options = OBJECTIVES[objective]
    found = trained(cuda, **options)
    assert found.device.type == "cuda"
    assert all(torch.isfinite(t).all() for t in found.parameters().values())
    assert_same(found, trained(cuda, **options))  # the same seed, the same weights
    if isinstance(found.parameters()["bias:y"], PretendedTensor):  # which draws what the CPU draws
        assert_same(found, trained("cpu", **options), 1e-9)
    assert float(found.parameters()["bias:y"].abs().max()) > 0
    here = found.to("cpu")
    wanted = here.predict_proba(ROWS)
    np.testing.assert_allclose(found.predict_proba(ROWS), wanted, rtol=0, atol=1e-9)


def test_machines_answer_as_on_the_cpu(cuda):
    here = machine()
    for tensor in here.parameters().values():
        tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)) / 2)
    for name, tensor in here.parameters().items():
        if name.startswith("precision"):
            tensor.fill_(1.0)
    here.adopt(here.factors)  # as fitted ones are
    there = here.to(cuda)
    given = {"bits": BITS}
    np.testing.assert_allclose(there.predict_proba(given), here.predict_proba(given), atol=1e-9)
    for ask in ("represent", "transform"):
        found = torch.as_tensor(getattr(there, ask)(given)).cpu()
        np.testing.assert_allclose(found, getattr(here, ask)(given), atol=1e-9)
    filled = there.impute(given)["reals"].cpu()
    np.testing.assert_allclose(filled, here.impute(given)["reals"], atol=1e-9)
    found = there.log_likelihood(ROWS)
    parts = (found.value, found.standard_error, found.log_partition, found.is_bound)
    assert not any(part.is_cuda for part in parts)  # they come back on the CPU
    np.testing.assert_allclose(found.value, here.log_likelihood(ROWS).value, atol=1e-9)
    assert there.sample(3, {"y": "u"}, burn_in=2)["bits"].shape == (3, 4)
    drawn = there.impute({"bits": BITS[:2]}, draws=2, sampling={"burn_in": 2})
    assert torch.isfinite(drawn.samples["reals"].cpu()).all()


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_checkpoints_go_on_elsewhere(cuda, tmp_path, first, second):
    done = trained(first, tmp_path / "kept", objective="fine_tuning")
    again = {"objective": "fine_tuning", "progress": lambda *_: pytest.fail("trained once more")}
    found = trained(second, tmp_path / "kept", **again)  # there is nothing left to do
    assert found.device.type == second
    assert_same(found, done)


class Stop(KeyboardInterrupt):
    pass


def interrupted(device: str, directory: Path, **options) -> None:
    """Train for the first of two epochs."""

    def stop(epoch, monitors):
        raise Stop

    with pytest.raises(Stop):
        trained(device, directory, epochs=2, progress=stop, **options)


@pytest.mark.parametrize(
    "objective",
    [pytest.param("contrastive divergence", marks=pytest.mark.slow), "multi-prediction"],
)
@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_interrupted_training_goes_on_elsewhere(cuda, tmp_path, first, second, objective):
    options = dict(OBJECTIVES[objective])
    interrupted(first, tmp_path / "kept", **options)
    shutil.copytree(tmp_path / "kept", tmp_path / "copy")
    seen = []
    options |= {"epochs": 2}
    found = trained(
        second, tmp_path / "kept", progress=lambda epoch, _: seen.append(epoch), **options
    )
    assert seen == [2]
    assert found.device.type == second
    assert len(found.fit_report.history) == 2
    assert all(torch.isfinite(t).all() for t in found.parameters().values())
    assert_same(found, trained(second, tmp_path / "copy", **options))  # the same at each attempt


def test_training_goes_on_with_the_same_numbers_where_it_was(cuda, tmp_path):
    options = OBJECTIVES["multi-prediction"]
    interrupted(cuda, tmp_path, **options)
    assert_same(trained(cuda, tmp_path, epochs=2, **options), trained(cuda, epochs=2, **options))


def test_a_generator_refuses_the_state_of_the_other_device(cuda):
    here, there = torch.Generator(), torch.Generator(cuda)
    for one, other in ((here, there), (there, here)):
        with pytest.raises(RuntimeError, match="wrong size"):
            one.set_state(other.get_state())
    again = torch.Generator(cuda)
    again.set_state(there.get_state())
    wanted = torch.rand(3, generator=there, device=cuda)
    assert torch.equal(torch.rand(3, generator=again, device=cuda).cpu(), wanted.cpu())


def test_files_are_read_on_the_cpu(cuda, tmp_path):
    there = machine().to(cuda)
    mm.write(there, tmp_path / "machine.mmgraph")
    found = mm.read(tmp_path / "machine.mmgraph")
    assert found.device.type == "cpu"
    assert_same(found, there)


def fitted_field(device: str | None) -> torch.Tensor:
    field = mm.MarkovRandomField.grid(torch.zeros(3, 3, 2), mm.Potts())
    labels = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 1]])
    return field.fit(labels, iterations=2, rounds=1, device=device).factors[1].weights


def fitted_conditional_field(device: str | None) -> torch.Tensor:
    scores = np.random.default_rng(0).normal(size=(3, 3, 2))
    image = mm.LabelledImage({"a": scores}, np.arange(9).reshape(3, 3) % 2, {"a": scores})
    field = mm.ConditionalRandomField(2, ["a"], mm.Potts(), neighbours=4)
    return field.fit(image, iterations=2, device=device).parameters


def learned_table(method: str, device: str | None) -> torch.Tensor:
    options = {"max_iterations": 2, "generator": torch.Generator().manual_seed(0)}
    options = {} if method != "em" else options
    net = network().fit(rows(method == "em"), method=method, device=device, **options)
    return net.distribution("c").values


def counted(device: str | None) -> torch.Tensor:
    codes = torch.tensor([[0, 1], [1, 1], [0, 0]])
    return count_cells(codes, [[0, 1]], [2, 2], device=device)[0]


def by_expectation_maximisation(device: str | None) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    found, _ = mm.expectation_maximization(
        network(), rows(missing=True), max_iterations=1, generator=generator, device=device
    )
    return found.distribution("c").values


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize(
    "learned",
    [
        *(partial(learned_table, m) for m in ("auto", "maximum_likelihood", "bdeu", "em")),
        counted,
        by_expectation_maximisation,
        fitted_field,
        fitted_conditional_field,
        lambda device: trained(device, objective="fine_tuning").parameters()["bias:y"],
    ],
)
def test_auto_stays_where_the_data_or_the_model_is(learned, device):
    assert torch.equal(learned(device), learned(None))


def test_auto_counts_on_the_device_of_the_codes(cuda):
    codes = torch.tensor([[0, 1], [1, 1], [0, 0]])
    wanted = [[1, 1], [0, 1]]
    for where, device in ((codes, cuda), (codes.to(cuda), "auto"), (codes.to(cuda), "cpu")):
        assert count_cells(where, [[0, 1]], [2, 2], device=device)[0].tolist() == wanted
    net = network().to(cuda).fit(rows(missing=False), device="auto")
    assert torch.equal(net.distribution("c").values.cpu(), learned_table("auto", None))


def test_a_wrong_device_is_named(cuda):
    field = mm.MarkovRandomField.grid(torch.zeros(2, 2, 2), mm.Potts())
    crf = mm.ConditionalRandomField(2, ["a"], mm.Potts(), neighbours=4)
    image = mm.LabelledImage({"a": np.zeros((2, 2, 2))}, np.zeros((2, 2), int))
    for fit in (
        lambda: network().fit(rows(missing=False), device="gpu"),
        lambda: machine().fit(ROWS, LABELS, device="gpu"),
        lambda: counted("gpu"),
        lambda: field.fit(np.zeros((2, 2), int), device="gpu"),
        lambda: crf.fit(image, device="gpu"),
    ):
        with pytest.raises(MmgraphError, match="unknown device 'gpu'"):
            fit()
