"""Encoders as soft evidence: posteriors and gradients beside enumeration, missing modalities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.deep.encoders.mlp import MLP
from mmgraph.deep.hybrids.encoded_network import EncodedNetwork
from mmgraph.deep.hybrids.learning import learn_hybrid
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.pack import Pack
from mmgraph.deep.training.options import AdamWTraining
from mmgraph.graph.errors import (
    FormatError,
    LearningError,
    UnknownVariableError,
    ZeroProbabilityError,
)
from mmgraph.networks.bayesian_network import BayesianNetwork

RNG = np.random.default_rng(0)


def network() -> BayesianNetwork:
    """Illness, which changes a fever (encoded) and a shadow (encoded); a cough is observed."""
    ill = mm.Variable("ill", 2)
    fever, shadow, cough = (
        mm.Variable("fever", 3),
        mm.Variable("shadow", 2),
        mm.Variable("cough", 2),
    )
    tables = [
        mm.TableFactor([ill], [0.7, 0.3], child=ill),
        mm.TableFactor([ill, fever], [[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], child=fever),
        mm.TableFactor([fever, shadow], [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], child=shadow),
        mm.TableFactor([ill, cough], [[1.0, 0.0], [0.4, 0.6]], child=cough),
    ]
    return BayesianNetwork([ill, fever, shadow, cough], tables)


def hybrid(members: int = 2) -> tuple[EncodedNetwork, Pack]:
    pack = Pack(members, torch.Generator().manual_seed(0))
    encoders = {
        "fever": ("blood", MLP((3,), 3, pack, hidden=(8,), dropout=0.0)),
        "shadow": ("image", MLP((2,), 2, pack, hidden=(8,), dropout=0.0)),
    }
    return EncodedNetwork(network(), "ill", encoders, members, observed=["cough"]), pack


def cells(rows: int = 5) -> dict[str, Cells]:
    numbers = {"blood": RNG.normal(size=(rows, 3)), "image": RNG.normal(size=(rows, 2))}
    tensors = {m: torch.as_tensor(v, dtype=torch.float32) for m, v in numbers.items()}
    return {m: Cells(v, torch.ones_like(v, dtype=torch.bool)) for m, v in tensors.items()}


def enumerated(model: EncodedNetwork, rows: dict[str, Cells], member: int) -> torch.Tensor:
    """P(ill | row) by summing over fever and shadow, from the tables as they were."""
    said = {n: table[member].double().exp() for n, table in model.likelihoods(rows).items()}
    ill, fever, shadow, _ = (f.values.double() for f in network().factors)
    one = torch.ones(1, 1, dtype=torch.float64)
    joint = torch.einsum(
        "a,ab,bc,rb,rc->ra", ill, fever, shadow, said.get("fever", one.expand(1, 3)),
        said.get("shadow", one.expand(1, 2)),
    )  # fmt: skip
    return joint / joint.sum(1, keepdim=True)


def test_posteriors_are_those_of_enumeration():
    model, _ = hybrid()
    rows = cells()
    rows["blood"] = rows["blood"].hidden(torch.tensor([True, False, False, True, False]))
    for given in (rows, {"blood": rows["blood"]}, {"image": rows["image"]}):
        answers = model(given).exp()
        for member in range(2):
            torch.testing.assert_close(
                answers[member], enumerated(model, given, member), rtol=1e-6, atol=1e-7
            )
    # A row without a modality is answered as if there were no such modality.
    torch.testing.assert_close(model(rows)[:, 0], model({"image": rows["image"]})[:, 0])
    torch.testing.assert_close(model.mean_probabilities(rows), model(rows).exp().mean(0))


def test_what_rows_observe_counts_and_what_is_impossible_is_refused():
    model, _ = hybrid()
    rows = cells(2)
    sure = model(rows, {"cough": [1, 1]}).exp()  # nobody coughs but the ill
    torch.testing.assert_close(sure[..., 1], torch.ones(2, 2, dtype=torch.float64))
    assert bool(
        (model(rows, {"cough": [0, None]}).exp()[:, 0, 1] < model(rows).exp()[:, 0, 1]).all()
    )
    bar = mm.Variable("bar", 2)
    ill = mm.Variable("ill", 2)
    never = BayesianNetwork(
        [ill, bar],
        [
            mm.TableFactor([ill], [0.5, 0.5], child=ill),
            mm.TableFactor([ill, bar], [[1.0, 0.0], [1.0, 0.0]], child=bar),
        ],
    )
    pack = Pack(1, torch.Generator())
    barred = EncodedNetwork(never, "ill", {"ill": ("image", MLP((2,), 2, pack))}, 1, ["bar"])
    with pytest.raises(ZeroProbabilityError, match=r"row"):
        barred.eval()({"image": rows["image"]}, {"bar": [0, 1]})


def test_gradients_are_those_of_finite_differences():
    model, _ = hybrid(1)
    model.double()
    rows = {m: one.to("cpu", torch.float64) for m, one in cells(3).items()}
    labels = torch.tensor([0, 1, 1])

    def loss() -> torch.Tensor:
        return -model(rows)[0][torch.arange(3), labels].sum()

    parameters = [*model.tables.parameters(), *model.encoders[0].parameters()]
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    step = 1e-5
    for parameter, gradient in zip(parameters, gradients, strict=True):
        place = int(RNG.integers(parameter.numel()))
        flat = parameter.data.view(-1)
        before = float(flat[place])
        losses = []
        for shift in (step, -step):
            flat[place] = before + shift
            losses.append(float(loss().detach()))
        flat[place] = before
        expected = 0.0 if gradient is None else float(gradient.reshape(-1)[place])
        assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(expected, abs=1e-6)


def rows_of_a_latent(rows: int, seed: int) -> tuple[dict[str, Cells], torch.Tensor]:
    """Two modalities that show different states of what depends on the label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=rows)
    mild, high = (rng.choice(3, rows, p=p) for p in ([0.7, 0.2, 0.1], [0.1, 0.2, 0.7]))
    fever = np.where(labels == 1, high, mild)
    blood = np.eye(3)[fever] * 2 + rng.normal(size=(rows, 3))
    image = np.stack([fever / 2 + rng.normal(size=rows), rng.normal(size=rows)], 1)
    made = {
        m: torch.as_tensor(v, dtype=torch.float32) for m, v in (("blood", blood), ("image", image))
    }
    return {m: Cells(v, torch.ones_like(v, dtype=torch.bool)) for m, v in made.items()}, (
        torch.as_tensor(labels)
    )


def test_training_end_to_end_lowers_the_loss_and_resumes_bit_for_bit(tmp_path):
    rows, labels = rows_of_a_latent(200, 0)
    test, truth = rows_of_a_latent(300, 1)
    options = AdamWTraining(epochs=6, batch_size=50, warm_up_epochs=1.0)

    def losses(model: EncodedNetwork):
        def of(index: torch.Tensor) -> torch.Tensor:
            answers = model({m: one.rows(index) for m, one in rows.items()})
            return -answers[:, torch.arange(len(index)), labels[index]].mean(1)

        return of

    model, pack = hybrid()
    before = -model(test)[:, torch.arange(300), truth].detach().mean()
    report = learn_hybrid(model, pack, losses(model), {"rows": 200}, options)
    after = -model(test)[:, torch.arange(300), truth].detach().mean()
    assert after < before - 0.1
    assert report.history[-1]["loss"] < report.history[0]["loss"]

    again, pack = hybrid()

    def stop(epoch: int, monitors: object) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_hybrid(
            again, pack, losses(again), {"rows": 200}, options, directory=tmp_path, progress=stop
        )
    resumed, pack = hybrid()
    others = {"rows": 200, "image": 1}
    with pytest.raises(FormatError, match="rows"):
        learn_hybrid(resumed, pack, losses(resumed), others, options, directory=tmp_path)
    learn_hybrid(resumed, pack, losses(resumed), {"rows": 200}, options, directory=tmp_path)
    for one, other in zip(model.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_tables_are_learned_alone_where_encoders_stay():
    rows, labels = rows_of_a_latent(200, 0)
    model, pack = hybrid()
    encoders = [p.detach().clone() for p in model.encoders.parameters()]
    tables = [p.detach().clone() for p in model.graphical()]

    def losses(index: torch.Tensor) -> torch.Tensor:
        answers = model({m: one.rows(index) for m, one in rows.items()})
        return -answers[:, torch.arange(len(index)), labels[index]].mean(1)

    options = AdamWTraining(epochs=2, batch_size=100)
    learn_hybrid(model, pack, losses, {"rows": 200}, options, learned=model.graphical())
    assert all(
        torch.equal(a, b) for a, b in zip(encoders, model.encoders.parameters(), strict=True)
    )
    assert not all(torch.equal(a, b) for a, b in zip(tables, model.graphical(), strict=True))
    with pytest.raises(LearningError, match="nothing to learn"):
        learn_hybrid(model, pack, losses, {"rows": 200}, options, learned=[])


def test_bad_input_is_named():
    pack = Pack(1, torch.Generator())
    fever = ("blood", MLP((3,), 3, pack))
    with pytest.raises(LearningError, match="nothing is said of 'shadow'"):
        EncodedNetwork(network(), "ill", {"fever": fever}, 1, observed=["cough"])
    with pytest.raises(LearningError, match="'blood' has 3 outputs, but 'shadow' has 2 states"):
        EncodedNetwork(network(), "ill", {"shadow": fever}, 1, observed=["cough"])
    with pytest.raises(UnknownVariableError, match=r"no variable 'fevers'.*fever"):
        EncodedNetwork(network(), "ill", {"fevers": fever}, 1)
    model, _ = hybrid()
    rows = cells(4)
    with pytest.raises(LearningError, match="different numbers of rows"):
        model({"blood": rows["blood"], "image": rows["image"].rows(torch.arange(2))})
    with pytest.raises(LearningError, match="nothing that the network"):
        model({})
    broken = rows["blood"]._replace(values=rows["blood"].values * torch.nan)
    with pytest.raises(LearningError, match="'blood' says of rows is not finite"):
        model({"blood": broken})
