"""What training changes about rows at random."""

from __future__ import annotations

import torch

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.training.augmentation import augmented, mixed, with_hidden, with_noise
from mmgraph.deep.training.options import NetTraining
from mmgraph.learning.training.random_blocks import RandomBlocks

ROWS = 2000


def noise(seed: int = 0) -> RandomBlocks:
    return RandomBlocks(1, seed, torch.device("cpu"))


def cells(rows: int = ROWS, seed: int = 0) -> dict[str, Cells]:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, 3, generator=generator)
    there = torch.rand(rows, 3, generator=generator) < 0.9
    return {m: Cells(values * there, there) for m in ("one", "other")}


def test_some_modalities_are_hidden_but_never_all():
    hidden = with_hidden(cells(), 0.5, noise())
    there, shown = (
        torch.stack([one.present for one in rows.values()]) for rows in (cells(), hidden)
    )
    assert torch.equal(shown.any(0), there.any(0))
    assert not (shown & ~there).any()
    # Of half of the rows each is hidden by one half, but where both would be.
    assert abs(float((there & ~shown)[0].float().mean()) - 0.125) < 0.03


def test_noise_is_normal_and_only_in_what_is_there():
    before = cells()
    after = with_noise(before, 0.5, noise())["one"]
    change = (after.values - before["one"].values)[after.there]
    assert abs(float(change.std()) - 0.5) < 0.02
    assert abs(float(change.mean())) < 0.02
    assert not after.values[~after.there].any()


def test_mixed_rows_stay_between_two_rows():
    labels = torch.eye(4)[torch.arange(ROWS) % 4]
    before = cells()
    after, blends = mixed(before, labels, 0.4, noise())
    torch.testing.assert_close(blends.sum(1), torch.ones(ROWS))
    assert float(blends.max(1).values.min()) >= 0.6
    assert float(after["one"].values.abs().max()) <= float(before["one"].values.abs().max())
    assert not after["one"].values[~after["one"].there].any()
    assert not (after["one"].there & ~before["one"].there).any()


def test_a_row_that_shares_nothing_with_its_partner_keeps_its_label():
    labels = torch.eye(ROWS)
    there = torch.eye(2, dtype=torch.bool)[torch.arange(ROWS) % 2]
    before = {"one": Cells(there * torch.randn(ROWS, 2), there), "other": cells()["other"]}
    after, blends = mixed(before, labels, 0.4, noise())
    changed = (blends.max(1).values < 1) & (blends.argmax(1) == torch.arange(ROWS))
    partners = (blends - blends.max(1, keepdim=True).values * labels).argmax(1)
    assert changed.any()
    assert (partners[changed] % 2 == torch.arange(ROWS)[changed] % 2).all()
    for modality in before:
        assert torch.equal(after[modality].values[~changed], before[modality].values[~changed])


def test_rows_are_mixed_alike_by_one_process_and_by_two():
    labels = torch.eye(ROWS)
    cpu, half = torch.device("cpu"), slice(ROWS // 2, ROWS)
    _, whole = mixed(cells(), labels, 0.4, RandomBlocks(2, 0, cpu))
    second = {m: one.rows(torch.arange(ROWS)[half]) for m, one in cells().items()}
    _, part = mixed(second, labels[half], 0.4, RandomBlocks(2, 0, cpu, [1]))
    assert torch.equal(whole[half], part)


def test_the_same_noise_changes_rows_alike():
    labels, options = torch.eye(4)[torch.arange(ROWS) % 4], NetTraining(noise=0.1, mixing=0.2)
    first, second = (augmented(cells(), labels, options, True, noise(3)) for _ in range(2))
    assert torch.equal(first[0]["one"].values, second[0]["one"].values)
    assert torch.equal(first[1], second[1])
    plain, same = augmented(cells(), labels, NetTraining(noise=0.0), False, noise())
    assert torch.equal(plain["one"].values, cells()["one"].values)
    assert torch.equal(same, labels)
