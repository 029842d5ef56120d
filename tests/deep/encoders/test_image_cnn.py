"""Convolutional nets of images: members, missing cells, axes, and small moves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.deep.encoders.image_cnn import ImageCNN, SmallMoves
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError


class SeededNoise:
    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, rows, shape):
        return torch.rand(rows, *shape, generator=self.generator)


def pack_of(members: int) -> Pack:
    pack = Pack(members, torch.Generator().manual_seed(1))
    pack.noise = SeededNoise()
    return pack


def cells_of(shape: tuple[int, ...], rows: int = 5, missing: float = 0.2) -> Cells:
    generator = torch.Generator().manual_seed(2)
    there = torch.rand(rows, *shape, generator=generator) >= missing
    return Cells(torch.randn(rows, *shape, generator=generator) * there, there)


SHAPES = st.one_of(
    st.tuples(st.integers(1, 19), st.integers(1, 19)),
    st.tuples(st.integers(1, 5), st.integers(1, 19), st.integers(1, 19)),
)


@settings(max_examples=30)
@given(shape=SHAPES, members=st.integers(1, 3))
def test_images_of_any_size_have_codes(shape, members):
    net = ImageCNN(shape, 7, pack_of(members), channels=(2, 3)).eval()
    codes = net(cells_of(shape))
    assert codes.shape == (members, 5, 7)
    assert torch.isfinite(codes).all()


def test_a_member_of_several_equals_the_same_net_alone():
    cells = cells_of((2, 9, 8))
    several = ImageCNN((2, 9, 8), 4, pack_of(3)).eval()
    codes = several(cells)
    for member in range(3):
        alone = ImageCNN((2, 9, 8), 4, pack_of(1)).eval()
        alone.load_state_dict({n: p[member, None] for n, p in several.state_dict().items()})
        torch.testing.assert_close(alone(cells)[0], codes[member])


def test_gradients_of_members_do_not_mix():
    net = ImageCNN((9, 8), 4, pack_of(3)).eval()
    net(cells_of((9, 8)))[1].sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad[[0, 2]].any(), name
        assert parameter.grad[1].any(), name


@pytest.mark.parametrize("training", [False, True])
def test_what_is_missing_has_no_influence_but_by_being_missing(training):
    cells = cells_of((6, 5))
    disturbed = cells._replace(values=torch.where(cells.there, cells.values, torch.nan))

    def codes(given_cells: Cells) -> torch.Tensor:
        net = ImageCNN((6, 5), 4, pack_of(2), shift=1.0, rotation=10.0, scaling=0.1)
        return net.train(training)(given_cells)

    assert torch.equal(codes(disturbed), codes(cells))
    zeros = cells._replace(there=torch.ones_like(cells.there))
    assert not torch.allclose(codes(zeros), codes(cells))


def test_rows_do_not_depend_on_one_another():
    net, cells = ImageCNN((12, 12), 4, pack_of(2)).eval(), cells_of((12, 12))
    rows = torch.tensor([3, 1])
    torch.testing.assert_close(net(cells.rows(rows)), net(cells)[:, rows])


def test_channels_may_be_the_last_axis():
    cells = cells_of((9, 8, 3))
    first = Cells(cells.values.movedim(-1, 1), cells.there.movedim(-1, 1))
    nets = [ImageCNN(shape, 4, pack_of(2)).eval() for shape in ((9, 8, 3), (3, 9, 8))]
    torch.testing.assert_close(nets[0](cells), nets[1](first))


class ConstantNoise:
    """Numbers of which each place of a row has its own: angle, scale, down, along."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = torch.tensor(numbers)

    def uniform(self, rows, shape):
        return ((self.numbers + 1) / 2).expand(rows, *shape).clone()


@pytest.mark.parametrize(
    ("noise", "options", "expected"),
    [
        ((0, 0, 1, 0), {"shift": 1.0}, lambda image: image.roll(-1, 0)),
        ((0, 0, 0, -1), {"shift": 2.0}, lambda image: image.roll(2, 1)),
        ((1, 0, 0, 0), {"rotation": 90.0}, lambda image: image.rot90(1)),
        ((1, 1, 1, 1), {}, lambda image: image),
    ],
)
def test_moves_are_what_they_say(noise, options, expected):
    image = torch.zeros(9, 9)
    image[3:6, 3:5] = torch.arange(6.0).reshape(3, 2) + 1
    pack = pack_of(2)
    pack.noise = ConstantNoise(*noise)
    moves = SmallMoves(**{"shift": 0.0, "rotation": 0.0, "scaling": 0.0} | options, pack=pack)
    moved = moves(image.expand(4, 1, 9, 9))
    assert moved.shape == (4, 2, 9, 9)
    torch.testing.assert_close(moved[2, 1], expected(image), atol=1e-5, rtol=0)


def test_a_turned_oblong_image_keeps_its_distances():
    """A pixel three places beside the centre comes to lie three places above or below it."""
    image = torch.zeros(1, 1, 15, 9)
    image[0, 0, 7, 7] = 1
    pack = pack_of(1)
    pack.noise = ConstantNoise(1, 0, 0, 0)
    moved = SmallMoves(0.0, 90.0, 0.0, pack)(image)[0, 0]
    assert (moved > 0.9).nonzero().tolist() == [[4, 4]]


def test_images_are_moved_in_training_alone_and_each_member_sees_others():
    net, cells = ImageCNN((16, 15), 4, pack_of(2), shift=1.0, dropout=0.0), cells_of((16, 15))
    net.load_state_dict({n: p[:1].expand_as(p) for n, p in net.state_dict().items()})
    moved = net.train()(cells)
    assert not torch.allclose(moved[0], moved[1])
    resting = net.eval()(cells)
    torch.testing.assert_close(resting[0], resting[1])
    assert torch.equal(resting, net(cells))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": 1.0}, r"scaling must lie in \[0, 1\)"),
        ({"shift": -1.0}, "shift must lie in"),
        ({"rotation": float("nan")}, "rotation must lie in"),
        ({"dropout": "much"}, "dropout must lie in"),
    ],
)
def test_moves_that_cannot_be_made(options, message):
    with pytest.raises(LearningError, match=message):
        ImageCNN((9, 8), 4, pack_of(1), **options)
