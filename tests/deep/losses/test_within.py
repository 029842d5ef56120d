"""Reconstruction and masked prediction: which cells count, and what the net sees of them."""

from __future__ import annotations

import torch

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.losses.within import Decoder, MaskedPrediction, Reconstruction
from mmgraph.deep.packs.pack import Pack


class Draws:
    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(4)

    def uniform(self, rows, shape):
        return torch.rand(rows, *shape, generator=self.generator)


def pack(members: int = 2) -> Pack:
    made = Pack(members, torch.Generator().manual_seed(0))
    made.noise = Draws()
    return made


def prepared(loss, own=None):
    loss.prepare({"a": (3,), "b": (3,)}, {"a": 5, "b": 5}, own or pack())
    return loss.double()


def test_reconstruction_is_half_the_squared_error_of_cells_that_are_there(output):
    rows, loss = output(), prepared(Reconstruction())
    there = rows.cells["a"].there.clone()
    there[20:, 1] = False
    cells = {**rows.cells, "a": Cells(rows.cells["a"].values * there, there)}
    losses = loss(rows._replace(cells=cells))
    expected = torch.zeros(2).double()
    for (modality, one), decoder in zip(cells.items(), loss.decoders, strict=True):
        told = decoder.layers(rows.codes[modality])
        for row in range(40):
            counted = one.there[row]
            if counted.any():
                errors = (told[:, row, counted] - one.values[row, counted]).square().mean(-1)
                expected += rows.weights[row] * errors / 2 / 40 / 2
    torch.testing.assert_close(losses, expected)


def test_masked_cells_are_hidden_from_the_net_and_alone_are_told(output):
    rows, shown = output(), {}

    def encode(cells):
        shown.update(cells)
        return rows.codes

    loss = prepared(MaskedPrediction(0.5))
    rows = rows._replace(encode=encode)
    losses = loss(rows)
    expected = torch.zeros(2).double()
    for (modality, one), decoder in zip(rows.cells.items(), loss.decoders, strict=True):
        hidden = one.there & ~shown[modality].there
        assert 0.3 < hidden.sum() / one.there.sum() < 0.7
        assert not shown[modality].values[hidden].any()
        # Where nothing remains, nothing can be told.
        hidden &= shown[modality].present[:, None]
        told = decoder.layers(rows.codes[modality])
        errors = (told - one.values).square() * hidden
        means = errors.sum(-1) / hidden.sum(-1).clamp(min=1)
        expected += (means * rows.weights).mean(-1) / 2 / 2
    torch.testing.assert_close(losses, expected)


def test_sequences_of_unequal_lengths_are_told_step_by_step():
    decoder = Decoder((0, 2), 4, pack(1)).train()
    draws = torch.Generator().manual_seed(1)
    lengths = torch.tensor([70, 9, 0, 1])
    there = (torch.arange(70) < lengths[:, None])[..., None].expand(4, 70, 2)
    steps = torch.arange(70) / (lengths[:, None] - 1).clamp(min=1)
    values = torch.stack([(6 * steps).sin(), steps], -1) * there
    cells, codes = Cells(values, there, lengths), torch.randn(1, 4, 4, generator=draws)
    first = decoder(codes, cells, there)
    assert first[0, 2] == 0
    junk = Cells(values + 5.0 * ~there, there, lengths)
    torch.testing.assert_close(decoder(codes, junk, there), first)
    alone = decoder(codes[:, :1], cells.rows(torch.tensor([0])), there[:1])
    torch.testing.assert_close(alone[:, 0], first[:, 0])
    optimiser = torch.optim.Adam(decoder.parameters(), 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss = decoder(codes, cells, there).sum()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.05 * float(first.detach().sum())


def test_steps_of_sequences_are_hidden_whole():
    own = pack(1)
    loss = MaskedPrediction(0.5)
    loss.prepare({"a": (0, 2)}, {"a": 4}, own)
    there = torch.ones(6, 10, 2, dtype=torch.bool)
    cells = Cells(torch.ones(6, 10, 2), there, torch.full((6,), 10))
    hidden = loss._hidden(cells)
    assert (hidden[..., 0] == hidden[..., 1]).all()
    assert 0.2 < hidden.float().mean() < 0.8
