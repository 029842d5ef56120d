"""Encoders as unaries of random fields: beside enumeration, gradients, smoother images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from mmgraph.deep.encoders.mlp import MLP
from mmgraph.deep.hybrids.encoded_field import EncodedField, log_loss
from mmgraph.deep.hybrids.learning import learn_hybrid
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.pack import Pack
from mmgraph.deep.training.options import AdamWTraining
from mmgraph.graph.errors import GraphError, LearningError

PACK = Pack(1, torch.Generator())
"""Of encoders that leave nothing out at random."""


def field(shape: tuple[int, ...], states: int = 2, members: int = 1, **options) -> EncodedField:
    pack = Pack(members, torch.Generator().manual_seed(0))
    encoder = MLP((2,), states, pack, hidden=(6,), dropout=0.0)
    return EncodedField(encoder, states, shape, members=members, **options)


def elements(count: int, seed: int = 0) -> Cells:
    values = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return Cells(values, torch.ones_like(values, dtype=torch.bool))


def enumerated(model: EncodedField, cells: Cells, member: int) -> torch.Tensor:
    """Marginals of one field, summed over all labellings."""
    code = model.unaries(cells)[member].double()
    energies = model.energies[member].double()
    if energies.ndim == 1:
        energies = energies[:, None, None] * (1 - torch.eye(model.states))
    places = list(itertools.product(*map(range, model.shape)))
    total = torch.zeros(len(places), model.states, dtype=torch.float64)
    for labelling in itertools.product(range(model.states), repeat=len(places)):
        log = sum(code[i, x] for i, x in enumerate(labelling))
        for offset, table in zip(model.offsets, energies, strict=True):
            for i, place in enumerate(places):
                other = tuple(np.add(place, offset))
                if other in places:
                    log = log - table[labelling[i], labelling[places.index(other)]]
        for i, x in enumerate(labelling):
            total[i, x] = total[i, x] + torch.as_tensor(log).exp()
    return total / total.sum(1, keepdim=True)


@pytest.mark.parametrize("interaction", ["potts", "table"])
@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_exact_marginals_are_those_of_enumeration(shape, interaction):
    model = field(shape, 3, 2, inference="exact", interaction=interaction)
    if interaction == "table":
        model.energies.data += torch.rand(
            model.energies.shape, generator=torch.Generator().manual_seed(1)
        )
    cells = elements(8)
    cells = cells.hidden(torch.arange(8) == 2)
    answers = model(cells).exp()
    assert answers.shape == (2, 2, 4, 3)
    for member, part in itertools.product(range(2), range(2)):
        expected = enumerated(model, cells.rows(torch.arange(4) + 4 * part), member)
        torch.testing.assert_close(answers[member, part], expected, rtol=1e-6, atol=1e-7)


def test_mean_field_is_near_enumeration_where_neighbours_agree_weakly():
    model = field((2, 3), 2, weight=0.2, updates=30)
    cells = elements(6)
    difference = model(cells)[0, 0].exp() - enumerated(model, cells, 0)
    assert float(difference.detach().abs().max()) < 0.01


@pytest.mark.parametrize("inference", ["exact", "mean_field"])
def test_gradients_are_those_of_finite_differences(inference):
    model = field((2, 2), 2, inference=inference, interaction="table").double()
    cells = elements(4).to("cpu", torch.float64)
    labels = torch.tensor([[0, 1, -1, 1]])

    def loss(of_enumeration: bool = False) -> torch.Tensor:
        if of_enumeration:
            return log_loss(enumerated(model, cells, 0).log()[None, None], labels).sum()
        return model.loss(cells, labels).sum()

    parameters = [model.energies, *model.encoder.parameters()]
    gradients = torch.autograd.grad(loss(), parameters)
    rng, step = np.random.default_rng(0), 1e-5
    for parameter, gradient in zip(parameters, gradients, strict=True):
        place = int(rng.integers(parameter.numel()))
        flat = parameter.data.view(-1)
        before, losses = float(flat[place]), []
        for shift in (step, -step):
            flat[place] = before + shift
            losses.append(float(loss(inference == "exact").detach()))
        flat[place] = before
        slope = (losses[0] - losses[1]) / (2 * step)
        assert slope == pytest.approx(float(gradient.reshape(-1)[place]), abs=1e-6)


def squares(images: int, seed: int) -> tuple[Cells, torch.Tensor]:
    """Images of 8 x 8 with a square, of which each pixel is seen through noise."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((images, 8, 8), np.int64)
    for image in labels:
        top, left = rng.integers(4, size=2)
        image[top : top + 4, left : left + 4] = 1
    pixels = labels.reshape(-1, 1) + rng.normal(size=(labels.size, 2))
    values = torch.as_tensor(pixels, dtype=torch.float32)
    return Cells(values, torch.ones_like(values, dtype=torch.bool)), (
        torch.as_tensor(labels).flatten(1)
    )


def test_end_to_end_tells_more_than_each_pixel_alone_and_no_less_than_part_by_part():
    cells, labels = squares(24, 0)
    held_out, their_labels = squares(12, 1)
    test, truth = squares(20, 2)
    options = AdamWTraining(epochs=8, batch_size=6, learning_rate=0.05, warm_up_epochs=2.0)
    every = torch.arange(64)

    def rows(fields: torch.Tensor) -> torch.Tensor:
        return (fields[:, None] * 64 + every).flatten()

    def loss(model: EncodedField, index: torch.Tensor, part: Cells, known: torch.Tensor):
        return model.loss(part.rows(rows(index)), known[index])

    def pixelwise(model: EncodedField, part: Cells, known: torch.Tensor) -> torch.Tensor:
        logs = model.unaries(part).log_softmax(-1)
        return log_loss(logs.reshape(len(logs), -1, 64, 2), known)

    whole = field((8, 8), updates=3)
    count = {"rows": 24}
    learn_hybrid(whole, PACK, lambda i: loss(whole, i, cells, labels), count, options)
    parts = field((8, 8), updates=3)
    learn_hybrid(
        parts, PACK,
        lambda i: pixelwise(parts, cells.rows(rows(i)), labels[i]), count, options,
        learned=list(parts.encoder.parameters()),
    )  # fmt: skip
    alone = float(pixelwise(parts, test, truth).detach())
    learn_hybrid(
        parts, PACK,
        lambda i: loss(parts, i, held_out, their_labels), {"rows": 12}, options,
        learned=parts.graphical(),
    )  # fmt: skip
    together = float(whole.loss(test, truth).detach())
    one_by_one = float(parts.loss(test, truth).detach())
    assert together < 0.85 * alone
    assert together <= one_by_one


def test_bad_input_is_named():
    with pytest.raises(LearningError, match="2 outputs, but there are 3 states"):
        EncodedField(field((2, 2)).encoder, 3, (2, 2))
    with pytest.raises(GraphError, match="5 neighbours in 2 dimensions"):
        field((2, 2), neighbours=5)
    with pytest.raises(LearningError, match="inference"):
        field((2, 2), inference="guess")
    with pytest.raises(LearningError, match="at least 1"):
        field((2, 0))
    model = field((2, 2))
    with pytest.raises(LearningError, match=r"6 elements are no fields of shape \(2, 2\)"):
        model(elements(6))
    with pytest.raises(LearningError, match="for fields of"):
        model.loss(elements(4), torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(LearningError, match="no element is labelled"):
        model.loss(elements(4), torch.full((1, 4), -1))
    with pytest.raises(LearningError, match="a label is none of 2 states"):
        model.loss(elements(4), torch.full((1, 4), 2))
    broken = elements(4)
    with pytest.raises(LearningError, match="not finite"):
        model(broken._replace(values=broken.values * torch.inf))
