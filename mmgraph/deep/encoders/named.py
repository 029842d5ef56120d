"""The encoders by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.encoders.image_cnn import ImageCNN
from mmgraph.deep.encoders.mlp import MLP
from mmgraph.graph.errors import LearningError, suggestion

ENCODERS: Mapping[str, tuple[type[Encoder], ...]] = {"mlp": (MLP,), "cnn": (ImageCNN,)}
"""Of each name the encoders that may be meant: the first one that takes the cells is."""


def encoder_kind(modality: str, name: str, shape: Sequence[int]) -> type[Encoder]:
    """Return the encoder of a name for cells of a shape, ``(0, channels)`` of sequences.

    Raises
    ------
    LearningError
        If there is none of that name, or it does not take such cells.
    """
    if name not in ENCODERS:
        raise LearningError(
            f"the encoder of '{modality}' is none of {', '.join(ENCODERS)}, but '{name}'"
            f"{suggestion(name, ENCODERS)}"
        )
    for kind in ENCODERS[name]:
        if len(shape) in kind.axes and (kind.reads_sequences or 0 not in shape):
            return kind
    raise LearningError(
        f"the encoder '{name}' does not take the rows of '{modality}', of shape {tuple(shape)}"
    )
