"""Nets of the modalities of rows, by the names that classifiers have for encoders and fusions."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.encoders.named import EncoderNames, chosen_encoders
from mmgraph.deep.fusion.named import FUSIONS, PAIRED, FusionName, chosen_fusion
from mmgraph.deep.inputs.modality_input import fitted_inputs
from mmgraph.deep.training.blending import learner_kind
from mmgraph.deep.training.learned_net import LearnedNet
from mmgraph.deep.training.learner import learn_net
from mmgraph.deep.training.net import NetDesign
from mmgraph.deep.training.options import NetTraining
from mmgraph.inference.options import check_device


def fitted_net(
    data: MultimodalData,
    modalities: Collection[str],
    encoders: EncoderNames,
    fusion: FusionName,
    training: NetTraining,
    *,
    members: int,
    width: int,
    device: str = "cpu",
    directory: Path | None = None,
) -> LearnedNet:
    """Return a net of rows, of those modalities that vary; as :func:`learn_net`.

    Fusions that do not encode see summaries of sequences.

    Raises
    ------
    LearningError
        If none varies, one is of texts, an encoder or the fusion is unknown, or training diverges.
    """
    place = check_device(device)
    name, options = chosen_fusion(fusion)
    encoder, name = PAIRED.get(name, ("", name))
    dropout = options.pop("dropout", NetDesign.dropout)
    inputs = fitted_inputs(data, tuple(modalities), summaries=not FUSIONS[name].encodes)
    shapes = {modality: made.shape for modality, made in inputs.items()}
    if encoder and encoders == "auto":
        encoders = {m: encoder for m, shape in shapes.items() if len(shape) > 1}
    chosen = chosen_encoders(shapes, encoders)
    classes = data.target.cardinality
    design = NetDesign(shapes, chosen, name, classes, members, width, dropout, options)
    kind = learner_kind(name)
    return learn_net(design, inputs, data, training, kind=kind, device=place, directory=directory)
