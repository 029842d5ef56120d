"""Encoders of sequences: unequal lengths, what is missing, members, changes of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.deep.encoders.named import encoder_kind
from mmgraph.deep.encoders.sequence_changes import SequenceOptions, SmallChanges
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError

KINDS = [
    ("cnn", {}),
    ("rnn", {}),
    ("rnn", {"cell": "lstm", "bidirectional": False}),
    ("transformer", {}),
]


class Draws:
    """Uniform numbers of a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, rows: int, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.rand(rows, *shape, generator=self.generator)


def pack_of(members: int = 2) -> Pack:
    pack = Pack(members, torch.Generator().manual_seed(3))
    pack.noise = Draws()
    return pack


def encoder_of(name: str, options: dict, members: int = 2):
    return encoder_kind("wrist", name, (0, 3))((0, 3), 5, pack_of(members), **options)


def sequences(*lengths: int, seed: int = 0) -> Cells:
    values = torch.randn(len(lengths), max(lengths), 3, generator=torch.manual_seed(seed))
    inside = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    there = inside[..., None].expand(values.shape).clone()
    return Cells(values * there, there, torch.tensor(lengths))


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_a_code_does_not_depend_on_the_other_rows(name, options):
    encoder = encoder_of(name, options).eval()
    cells = sequences(60, 33, 1, 47)
    together = encoder(cells)
    assert together.shape == (2, 4, 5)
    for row in range(4):
        alone = encoder(cells.rows(torch.tensor([row])))
        torch.testing.assert_close(together[:, [row]], alone, atol=1e-5, rtol=1e-4)
    # Nor on what stands behind the end, or in cells that are missing.
    spoiled = cells._replace(values=cells.values.masked_fill(~cells.there, torch.nan))
    assert torch.equal(encoder(spoiled), together)


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_what_is_missing_is_an_input_and_never_a_number(name, options):
    encoder = encoder_of(name, options)
    cells = sequences(40, 40, 40)
    cells.there[1, 5:20, 0] = False
    missing = cells.hidden(torch.tensor([False, False, True]))
    for mode in (True, False):
        codes = encoder.train(mode)(missing)
        assert codes.isfinite().all()
        gradients = torch.autograd.grad(codes.square().sum(), list(encoder.parameters()))
        assert all(gradient.isfinite().all() for gradient in gradients)
    zero = cells.values.masked_fill(~cells.there, 0.0)
    as_zeros = Cells(zero, torch.ones_like(cells.there), cells.lengths)
    assert not torch.allclose(codes[:, 1], encoder(as_zeros)[:, 1], atol=1e-4)
    nothing = Cells(zero[:, :0], cells.there[:, :0], torch.zeros(3, dtype=torch.int64))
    assert encoder(nothing).isfinite().all()


@pytest.mark.parametrize(("name", "options"), KINDS)
def test_members_are_what_each_is_alone(name, options):
    packed, alone = encoder_of(name, options, 3).eval(), encoder_of(name, options, 1).eval()
    cells = sequences(40, 25)
    codes = packed(cells)
    for member in range(3):
        parameters = {n: p[[member]] for n, p in packed.state_dict().items()}
        alone.load_state_dict(parameters)
        torch.testing.assert_close(codes[[member]], alone(cells), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("cell", "kind"), [("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)])
def test_states_are_those_of_torch(cell, kind):
    encoder = encoder_of("rnn", {"cell": cell, "hidden": 4}, 1).eval()
    reference = kind(48, 4, bidirectional=True)
    gates = np.arange(encoder.weight.shape[-1]).reshape(-1, 4)
    # Torch has the gates in the order input, forget, cell, output; here the cell comes last.
    order = gates[[0, 1, 3, 2]].ravel() if cell == "lstm" else gates.ravel()
    weights, biases = (
        m.view(-1, 2, gates.size) for m in (encoder.inputs.weight[0], encoder.inputs.bias[0])
    )
    for direction, end in enumerate(("", "_reverse")):
        for part, tensor in {
            "weight_ih": weights[:, direction].T,
            "bias_ih": biases[0, direction],
            "weight_hh": encoder.weight[0, direction].T,
            "bias_hh": encoder.bias[0, direction, 0],
        }.items():
            back = np.argsort(order) if cell != "lstm" else order
            getattr(reference, f"{part}_l0{end}").data = tensor[back].clone()
    steps, _ = encoder.stem(sequences(80, 80))
    tokens = steps.tokens(1)[0].transpose(0, 1)
    inputs = encoder.inputs(tokens.flatten(0, 1)[None]).view(len(tokens), 2, 2, -1)
    runs = torch.stack([inputs[:, :, 0], inputs[:, :, 1].flip(0)], 1)
    states = encoder._states(runs, None)
    expected = reference(tokens)[0].view(len(tokens), 2, 2, 4)
    torch.testing.assert_close(states[:, 0], expected[:, :, 0])
    torch.testing.assert_close(states[:, 1].flip(0), expected[:, :, 1])


def changed(cells: Cells, speed=0.0, shift=0.0, scaling=0.0, rotation=0.0):
    options = SequenceOptions(speed=speed, shift=shift, scaling=scaling, rotation=rotation)
    return SmallChanges(pack_of(), options)(*cells)


def test_changes_turn_scale_and_move_sequences_within_their_lengths():
    cells = sequences(30, 12)
    assert cells.lengths is not None
    still = changed(cells)
    torch.testing.assert_close(still[0][0] * cells.there, cells.values)
    turned, _ = changed(cells, rotation=90.0)
    torch.testing.assert_close((turned[0] * cells.there).norm(dim=2), cells.values.norm(dim=2))
    assert not torch.allclose(turned[0] * cells.there, cells.values, atol=0.1)
    larger, _ = changed(cells, scaling=0.5)
    ratios = (larger[0] / cells.values)[cells.there].view(-1, 3)
    assert ratios.min() > 1 / 1.5 - 1e-5
    assert ratios.max() < 1.5 + 1e-5
    # What is moved in time has values of the row's own inside.
    moved, known = changed(cells, speed=0.2, shift=0.5)
    assert known.all()
    assert moved[0, 1].abs().max() <= cells.values[1].abs().max()


@pytest.mark.parametrize("name", ["cnn", "rnn", "transformer"])
def test_sequences_are_not_turned_unless_asked_and_changed_little(name):
    changes = encoder_of(name, {}).stem.changes
    assert changes.angle == 0
    steps = torch.linspace(0, 6.28, 400)
    wave = torch.stack([steps.sin(), steps.cos(), steps / 6.28], 1).expand(20, 400, 3)
    there = torch.ones(20, 400, 3, dtype=torch.bool)
    series, _ = changes(wave, there, torch.full((20,), 400))
    middle = slice(100, 300)  # away from the ends, which are mirrored
    assert (series[0] - wave)[:, middle].abs().max() < 0.6
    assert (series[0] - wave)[:, middle].abs().max() > 0.01


def test_a_cell_that_is_unknown():
    with pytest.raises(LearningError, match="'gru' or 'lstm', not 'elman'"):
        encoder_of("rnn", {"cell": "elman"})
