"""The frozen net, against its layers one by one as they were published."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mmgraph.datasets.efficientnet_lite0 import EfficientNetLite0Weights
from mmgraph.graph.errors import MemoryBudgetError, MmgraphError
from mmgraph.retrieval.images import efficientnet
from mmgraph.retrieval.images.efficientnet import EfficientNetLite0

# Of each block: expansion, side of the kernel, stride, outputs (Tan and Le 2019, table 1).
BLOCKS = [(1, 3, 1, 16), *[(6, 3, s, 24) for s in (2, 1)], *[(6, 5, s, 40) for s in (2, 1)]]
BLOCKS += [*[(6, 3, s, 80) for s in (2, 1, 1)], *[(6, 5, 1, 112)] * 3]
BLOCKS += [*[(6, 5, s, 192) for s in (2, 1, 1, 1)], (6, 3, 1, 320)]
SQUARES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)


def made_weights() -> dict[str, Tensor]:
    """Weights of the published names and shapes, at random."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def add(name: str, norm: str, *shape: int) -> None:
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) / shape[1] ** 0.5
        state[f"{norm}.running_mean"] = torch.randn(shape[0], generator=generator) / 4
        for part in ("weight", "bias", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(shape[0], generator=generator) + 0.5

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    inputs = 32
    for number, (expansion, side, _, outputs) in enumerate(BLOCKS):
        block, hidden = f"_blocks.{number}.", inputs * expansion
        if expansion > 1:
            add(f"{block}_expand_conv", f"{block}_bn0", hidden, inputs, 1, 1)
        add(f"{block}_depthwise_conv", f"{block}_bn1", hidden, 1, side, side)
        add(f"{block}_project_conv", f"{block}_bn2", outputs, hidden, 1, 1)
        inputs = outputs
    add("_conv_head", "_bn1", 1280, 320, 1, 1)
    return state


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return made_weights()


@pytest.fixture
def net(monkeypatch, weights) -> EfficientNetLite0:
    file = io.BytesIO()
    torch.save(weights, file)
    record = EfficientNetLite0Weights(file.getvalue())
    monkeypatch.setattr(efficientnet.datasets, "load", lambda _: record)
    return EfficientNetLite0((32,))


def layer(x: Tensor, state: dict[str, Tensor], name: str, norm: str, stride: int) -> Tensor:
    weight = state[f"{name}.weight"]
    side, size = weight.shape[-1], x.shape[-1]
    zeros = max((-(-size // stride) - 1) * stride + side - size, 0)  # "SAME" of TensorFlow
    x = functional.pad(x, (zeros // 2, zeros - zeros // 2) * 2)
    x = functional.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])
    of_norm = [state[f"{norm}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    return functional.batch_norm(x, *of_norm, eps=1e-3)


def published(squares: np.ndarray, state: dict[str, Tensor]) -> np.ndarray:
    x = (torch.tensor(squares).permute(0, 3, 1, 2).double() - 127) / 128
    state = {name: values.double() for name, values in state.items()}
    x = layer(x, state, "_conv_stem", "_bn0", 2).clamp(0, 6)
    pooled = []
    for number, (expansion, _, stride, _) in enumerate(BLOCKS):
        before, block = x, f"_blocks.{number}."
        if expansion > 1:
            x = layer(x, state, f"{block}_expand_conv", f"{block}_bn0", 1).clamp(0, 6)
        x = layer(x, state, f"{block}_depthwise_conv", f"{block}_bn1", stride).clamp(0, 6)
        x = layer(x, state, f"{block}_project_conv", f"{block}_bn2", 1)
        x = x + before if before.shape == x.shape else x
        if number in (4, 10):
            pooled += [x.mean((2, 3)), x.amax((2, 3))]
    x = layer(x, state, "_conv_head", "_bn1", 1).clamp(0, 6)
    return torch.cat([x.mean((2, 3)), x.amax((2, 3)), *pooled], 1).numpy()


def test_folded_layers_are_the_published_ones(net, weights):
    values = net.of_squares(SQUARES)
    assert values.shape == (2, net.width)
    expected = published(SQUARES, weights)
    assert expected.std(0).mean() > 0.01
    np.testing.assert_allclose(values, expected, atol=2e-3, rtol=1e-3)


def test_pictures_of_any_kind_in_batches(net):
    pictures = [SQUARES[0], None, *[np.full((3, 3), k / 9) for k in range(9)]]
    values = net.features(pictures)
    assert np.isnan(values[1]).all()
    np.testing.assert_allclose(net.features([pictures[-1]])[0], values[-1], atol=1e-3)


def test_each_size_is_the_net_of_smaller_pictures(net, weights):
    side = 45  # odd sides are padded otherwise than even ones
    squares = SQUARES.repeat(2, 1).repeat(2, 2)[:, : 2 * side, : 2 * side]
    squares = np.pad(squares, [(0, 0), *[(0, 2 * side - squares.shape[1])] * 2, (0, 0)])
    values = EfficientNetLite0((side, 2 * side)).of_squares(squares)
    halves = squares.reshape(2, side, 2, side, 2, 3).mean((2, 4))
    expected = np.concatenate([published(s, weights) for s in (halves, squares)], 1)
    np.testing.assert_allclose(values, expected, atol=5e-3, rtol=2e-3)


def test_bad_devices_and_memory(net, monkeypatch):
    with pytest.raises(MmgraphError, match="unknown device 'gpu'"):
        EfficientNetLite0(device="gpu").of_squares(SQUARES)
    monkeypatch.setattr(efficientnet, "device_budget", lambda _: 1000)
    with pytest.raises(MemoryBudgetError, match="the activations of 2 images"):
        net.of_squares(SQUARES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_computes_the_same(net):
    expected = net.of_squares(SQUARES)
    on_gpu = EfficientNetLite0((32,), "cuda").of_squares(SQUARES)
    np.testing.assert_allclose(on_gpu, expected, atol=0.05)


@pytest.mark.slow
def test_the_published_weights_know_drawings_again():
    down, across = np.mgrid[:90, :90] - 45
    disc, bars = np.hypot(down, across) < 40, across // 8 % 2 == 0
    pictures = [disc, np.rot90(disc[::2, ::2]), bars, bars[:, ::-1]]
    values = EfficientNetLite0().features([p.astype(np.uint8) * 200 for p in pictures])
    similarity = np.corrcoef(values)
    assert similarity[0, 1] > similarity[0, 2:].max()
    assert similarity[2, 3] > similarity[2, :2].max()
