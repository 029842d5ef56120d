"""Nets of the modalities of rows, by the names that classifiers have for encoders and fusions."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.encoders.named import EncoderNames, chosen_encoders
from mmgraph.deep.fusion.named import PAIRED
from mmgraph.deep.inputs.modality_input import fitted_inputs
from mmgraph.deep.training.blending import learner_kind
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import learn_net
from mmgraph.deep.training.net import NetDesign
from mmgraph.deep.training.options import NetTraining


def fitted_net(
    data: MultimodalData,
    modalities: Collection[str],
    encoders: EncoderNames,
    fusion: str,
    training: NetTraining,
    *,
    members: int,
    width: int,
    device: str = "cpu",
    directory: Path | None = None,
) -> LearnedNet:
    """Return a net of rows, of those modalities that vary; as :func:`learn_net`.

    Raises
    ------
    LearningError
        If none varies, one is of texts, an encoder or the fusion is unknown, or training diverges.
    """
    inputs = fitted_inputs(data, tuple(modalities))
    shapes = {modality: made.shape for modality, made in inputs.items()}
    encoder, fusion = PAIRED.get(fusion, ("", fusion))
    if encoder and encoders == "auto":
        encoders = {m: encoder for m, shape in shapes.items() if len(shape) > 1}
    chosen = chosen_encoders(shapes, encoders)
    design = NetDesign(shapes, chosen, fusion, data.target.cardinality, members, width)
    kind = learner_kind(fusion)
    return learn_net(design, inputs, data, training, kind=kind, device=device, directory=directory)
