"""The encoders by name, and which modality has which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.encoders.image_cnn import ImageCNN
from mmgraph.deep.encoders.mlp import MLP
from mmgraph.deep.encoders.rnn import RNN
from mmgraph.deep.encoders.sequence_cnn import SequenceCNN
from mmgraph.deep.encoders.transformer import Transformer
from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.training.options import check_names, option_names

ENCODERS: Mapping[str, tuple[type[Encoder], ...]] = {
    "mlp": (MLP,),
    "cnn": (ImageCNN, SequenceCNN),
    "rnn": (RNN,),
    "transformer": (Transformer,),
}
"""Of each name the encoders that may be meant: the first one that takes the cells is."""

EncoderName = str | tuple[str, Mapping[str, Any]]
EncoderNames = EncoderName | Mapping[str, EncoderName]
"""A name, or with options, of all modalities or of each."""


def chosen_encoders(
    shapes: Mapping[str, tuple[int, ...]], names: EncoderNames
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the name and the options of each modality's encoder.

    Raises
    ------
    LearningError
        If a modality that is named is not there, an encoder lacks an option that is given or does
        not take its value, or as :func:`encoder_kind`.
    """
    if isinstance(names, Mapping):
        for modality in names:
            if modality not in shapes:
                raise LearningError(
                    f"there is no modality '{modality}' to be encoded{suggestion(modality, shapes)}"
                )
    chosen = {}
    for modality, shape in shapes.items():
        entry = names.get(modality, "auto") if isinstance(names, Mapping) else names
        name, options = _with_options(modality, entry)
        if name == "auto":
            name = "cnn" if _taking("cnn", shape) else "mlp"
        kind, where = encoder_kind(modality, name, shape), f"the encoder '{name}' of '{modality}'"
        check_names(options, option_names(kind.options_kind), where)
        try:
            kind.options_kind(**options).check(shape)
        except LearningError as error:
            raise LearningError(f"{where}: {error}") from None
        chosen[modality] = (name, dict(options))
    return chosen


def _with_options(modality: str, entry: object) -> tuple[str, Mapping[str, Any]]:
    """A name, and options, of which there may be none."""
    match entry:
        case str():
            return entry, {}
        case [str() as name, Mapping() as options]:
            return name, options
    raise LearningError(
        f"the encoder of '{modality}' is a name, or a name and a mapping of options, not {entry!r}"
    )


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
    kind = _taking(name, shape)
    if kind is None:
        others = ", ".join(repr(other) for other in ENCODERS if _taking(other, shape))
        raise LearningError(
            f"the encoder '{name}' does not take the rows of '{modality}', {_cells_words(shape)}; "
            f"those that do: {others or 'none'}"
        )
    return kind


def _cells_words(shape: Sequence[int]) -> str:
    """What the cells of a row are."""
    match tuple(shape):
        case (0, channels):
            return f"sequences of {channels} channel{'s'[: channels != 1]}"
        case (columns,):
            return f"{columns} column{'s'[: columns != 1]}"
    return f"arrays of shape {tuple(shape)}"


def _taking(name: str, shape: Sequence[int]) -> type[Encoder] | None:
    """The first encoder of a name that takes cells of a shape."""
    for kind in ENCODERS[name]:
        if len(shape) in kind.axes and (kind.reads_sequences or 0 not in shape):
            return kind
    return None
