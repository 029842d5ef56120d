"""Every fusion: what is missing has no influence, rows and members are by themselves."""

from __future__ import annotations

import pytest
import torch

from mmgraph.deep.fusion.fusion import Fusion, Scores
from mmgraph.deep.fusion.named import FUSIONS
from mmgraph.deep.packs.pack import Pack

WIDTHS = {"sound": 6, "movement": 4, "pulse": 3}
ROWS, CLASSES, MEMBERS = 9, 4, 3
ENCODING = [name for name, kind in FUSIONS.items() if kind.encodes]


def made(name: str, members: int = MEMBERS) -> Fusion:
    pack = Pack(members, torch.Generator().manual_seed(0))
    return FUSIONS[name](WIDTHS, CLASSES, pack, 8, 0.0).eval()


def rows(members: int = MEMBERS) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Rows with every set of modalities, the last two alike complete."""
    draws = torch.Generator().manual_seed(1)
    codes = {m: torch.randn(members, ROWS, w, generator=draws) for m, w in WIDTHS.items()}
    sets = torch.tensor([*range(8), 7])
    present = {m: (sets >> place) % 2 == 1 for place, m in enumerate(WIDTHS)}
    return codes, present


@pytest.mark.parametrize("name", ENCODING)
def test_what_is_missing_has_no_influence(name):
    fusion, (codes, present) = made(name), rows()
    others = {m: code.where(present[m][None, :, None], 1e6) for m, code in codes.items()}
    scores = fusion(codes, present).fused
    torch.testing.assert_close(scores, fusion(others, present).fused)
    assert scores.isfinite().all()


@pytest.mark.parametrize("name", ENCODING)
def test_what_is_there_has_influence(name):
    fusion, (codes, present) = made(name), rows()
    for modality, there in present.items():
        other = fusion({**codes, modality: codes[modality] + 1}, present).fused
        moved = (other - fusion(codes, present).fused).softmax(-1)
        changed = (moved - moved[..., :1]).abs().amax((0, 2)) > 1e-4
        assert changed.tolist() == there.tolist()


@pytest.mark.parametrize("name", ENCODING)
def test_what_is_missing_differs_from_a_code_of_zeros(name):
    fusion, (codes, present) = made(name), rows()
    zeros = {**codes, "movement": torch.zeros_like(codes["movement"])}
    there = torch.ones(ROWS, dtype=torch.bool)
    scores = [fusion(zeros, {**present, "movement": p}).fused for p in (there, ~there)]
    others = present["sound"] | present["pulse"]
    assert ((scores[0] - scores[1]).abs().amax((0, 2)) > 1e-4)[others].all()


@pytest.mark.parametrize("name", FUSIONS)
def test_a_row_alone_is_the_row_in_a_batch(name):
    fusion, (codes, present) = made(name), rows()
    together = fusion(codes, present).fused
    for row in range(ROWS):
        at = slice(row, row + 1)
        alone = fusion(
            {m: code[:, at] for m, code in codes.items()},
            {m: there[at] for m, there in present.items()},
        )
        torch.testing.assert_close(alone.fused, together[:, at])


@pytest.mark.parametrize("name", FUSIONS)
def test_members_are_independent(name):
    fusion, (codes, present) = made(name), rows()
    scores = fusion(codes, present).fused
    assert scores.shape == (MEMBERS, ROWS, CLASSES)
    scores[1].square().sum().backward()
    for parameter in fusion.parameters():
        gradient = torch.zeros(MEMBERS) if parameter.grad is None else parameter.grad.flatten(1)
        assert not gradient[[0, 2]].any()
    alone = made(name, 1)
    of_one = {key: parameter[1:2] for key, parameter in fusion.named_parameters()}
    alone.load_state_dict(of_one, strict=False)
    taken = alone({m: code[1:2] for m, code in codes.items()}, present).fused
    torch.testing.assert_close(taken[0], scores[1])


@pytest.mark.parametrize("name", FUSIONS)
def test_gradients_reach_every_parameter(name):
    fusion, (codes, present) = made(name), rows()
    scores: Scores = fusion(codes, present)
    sum(s.square().sum() for s in (scores.fused, *scores.single.values())).backward()
    for key, parameter in fusion.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@pytest.mark.parametrize("name", [name for name in FUSIONS if made(name).space])
def test_the_joint_space_is_of_what_is_there(name):
    fusion, (codes, present) = made(name), rows()
    space = fusion.joint(codes, present)
    assert space.shape == (MEMBERS, ROWS, fusion.space)
    others = {m: code.where(present[m][None, :, None], -7.0) for m, code in codes.items()}
    torch.testing.assert_close(space, fusion.joint(others, present))
    assert (space[:, 7] - space[:, 8]).abs().max() > 1e-3
