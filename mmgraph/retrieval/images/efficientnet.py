"""What EfficientNet-lite0 sees in pictures: a frozen net that was trained on photographs."""

from __future__ import annotations

import io
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional

from mmgraph import datasets
from mmgraph.graph.memory_budget import check_required, device_budget
from mmgraph.inference.options import device_of_data
from mmgraph.retrieval.images.features import ImageFeatures

_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""How many blocks each stage has, and the stride of the first (Tan and Le 2019, table 1)."""
_LAST = 1280
_TAPS = {4: 40, 10: 112}
"""Blocks whose outputs are features, too, and their channels."""
_BYTES_PER_PIXEL = 400
"""Of a picture, for the activations of the widest layers together."""
_EPSILON = 1e-3
"""Added to the variances of batch normalisation."""


class _Convolution(NamedTuple):
    """A convolution and the batch normalisation after it, as one.

    A depthwise one has a filter for each channel.
    """

    weight: Float[Tensor, "outputs inputs height width"]
    bias: Float[Tensor, "outputs"]
    stride: int

    @classmethod
    def folded(
        cls, state: dict[str, Tensor], convolution: str, normalisation: str, stride: int = 1
    ) -> _Convolution:
        """Return a convolution whose outputs are normalised."""
        scale, shift, mean, variance = (
            state[f"{normalisation}.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / (variance + _EPSILON).sqrt()
        weight = state[f"{convolution}.weight"] * factor[:, None, None, None]
        return cls(
            weight.contiguous(memory_format=torch.channels_last), shift - mean * factor, stride
        )

    def on(self, device: torch.device) -> _Convolution:
        """Return the same on a device."""
        return self._replace(weight=self.weight.to(device), bias=self.bias.to(device))

    def __call__(
        self, x: Float[Tensor, "images inputs height width"]
    ) -> Float[Tensor, "images outputs rows columns"]:
        side = self.weight.shape[-1]
        # As TensorFlow pads, with which the net was trained: of an odd number of zeros the larger
        # half goes to the right and below.
        high, wide = (
            max((-(-n // self.stride) - 1) * self.stride + side - n, 0) for n in x.shape[2:]
        )
        if high % 2 or wide % 2:
            x = functional.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
            high = wide = 0
        groups = x.shape[1] if self.weight.shape[1] == 1 else 1
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, (high // 2, wide // 2), groups=groups
        )


class EfficientNetLite0(ImageFeatures):
    """Activations of a frozen EfficientNet-lite0, which has learned to name photographs.

    Tan and Le (2019), "EfficientNet: rethinking model scaling for convolutional neural networks".
    Of each size of the picture there are the mean and the largest activation of each channel: of
    the last layer, which knows things, and of two blocks before it, which know shapes and
    textures.

    Parameters
    ----------
    sizes : tuple of int
        The sides that pictures are seen at, in pixels.
    device : str
        Where the net runs: ``auto``, ``cpu`` or ``cuda``.
    """

    name: ClassVar[str] = "efficientnet_lite0"
    batch: ClassVar[int] = 16

    def __init__(self, sizes: tuple[int, ...] = (128, 224), device: str = "auto") -> None:
        self.sizes = sizes
        self.size = max(sizes)
        self.device = device
        self.widths = (_LAST, _LAST, *(2 * width for width in _TAPS.values())) * len(sizes)

    def of_squares(
        self, squares: UInt8[np.ndarray, "images size size channels=3"]
    ) -> Float32[np.ndarray, "images width"]:
        """As :meth:`ImageFeatures.of_squares`."""
        device = device_of_data(self.device)
        check_required(
            f"the activations of {len(squares)} images",
            len(squares) * self.size**2 * _BYTES_PER_PIXEL,
            device_budget(device),
            "Smaller sizes need less",
        )
        pixels = torch.as_tensor(squares, device=device).permute(0, 3, 1, 2).float()
        pixels = (pixels - 127) / 128  # as the net was trained
        parts = []
        with torch.no_grad():
            for side in self.sizes:
                seen = pixels
                if side != self.size:
                    seen = functional.interpolate(pixels, (side, side), mode="area")
                parts += self._layers.on(device).pooled(seen)
        return torch.cat(parts, 1).cpu().numpy()

    @cached_property
    def _layers(self) -> _Net:
        state = datasets.load("efficientnet_lite0").state_dict
        return _Net.folded(torch.load(io.BytesIO(state), map_location="cpu", weights_only=True))


class _Net(NamedTuple):
    """The layers up to what names things: first, blocks of up to three convolutions, last."""

    first: _Convolution
    blocks: list[list[_Convolution]]
    last: _Convolution

    @classmethod
    def folded(cls, state: dict[str, Tensor]) -> _Net:
        """Return the net of a state dict."""
        blocks = []
        strides = [s if b == 0 else 1 for count, s in _STAGES for b in range(count)]
        for number, stride in enumerate(strides):
            prefix = f"_blocks.{number}"
            layers = []
            if f"{prefix}._expand_conv.weight" in state:
                layers.append(
                    _Convolution.folded(state, f"{prefix}._expand_conv", f"{prefix}._bn0")
                )
            layers.append(
                _Convolution.folded(state, f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride)
            )
            layers.append(_Convolution.folded(state, f"{prefix}._project_conv", f"{prefix}._bn2"))
            blocks.append(layers)
        first = _Convolution.folded(state, "_conv_stem", "_bn0", 2)
        return cls(first, blocks, _Convolution.folded(state, "_conv_head", "_bn1"))

    def on(self, device: torch.device) -> _Net:
        """Return the same on a device."""
        blocks = [[layer.on(device) for layer in layers] for layers in self.blocks]
        return _Net(self.first.on(device), blocks, self.last.on(device))

    def pooled(self, pixels: Float[Tensor, "images 3 height width"]) -> list[Tensor]:
        """Return the mean and greatest activations of the last layer, and both of each tap."""
        x = functional.relu6(self.first(pixels.contiguous(memory_format=torch.channels_last)))
        taps = []
        for number, (*inner, project) in enumerate(self.blocks):
            y = x
            for layer in inner:
                y = functional.relu6(layer(y))
            y = project(y)
            x = y + x if y.shape == x.shape else y
            if number in _TAPS:
                taps.append(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))
        x = functional.relu6(self.last(x))
        return [x.mean((2, 3)), x.amax((2, 3)), *taps]
