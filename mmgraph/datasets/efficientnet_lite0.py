"""Weights of a small net that has learnt to describe pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmgraph.datasets.entries import read_member


@dataclass(frozen=True)
class EfficientNetLite0Weights:
    """The weights of EfficientNet-lite0.

    Attributes
    ----------
    state_dict : bytes
        What ``torch.load(io.BytesIO(state_dict), weights_only=True)`` reads: a tensor for each
        name, such as ``"_conv_stem.weight"`` of shape (32, 3, 3, 3).
    """

    state_dict: bytes = field(repr=False)


def load() -> EfficientNetLite0Weights:
    """Load the weights."""
    return EfficientNetLite0Weights(
        read_member("efficientnet_lite0", "efficientnet-lite0-57934424.pth")
    )
