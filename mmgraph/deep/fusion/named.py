"""The fusions by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mmgraph.deep.fusion.attention import AttentionFusion
from mmgraph.deep.fusion.early import EarlyFusion
from mmgraph.deep.fusion.fusion import Fusion
from mmgraph.deep.fusion.gradient_blending import GradientBlending
from mmgraph.deep.fusion.hybrid import HybridFusion
from mmgraph.deep.fusion.joint import JointFusion
from mmgraph.deep.fusion.late import LateFusion
from mmgraph.deep.fusion.low_rank import LowRankFusion
from mmgraph.deep.fusion.network import NetworkFusion
from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.training.options import check_names, check_number, check_whole_number

FUSIONS: Mapping[str, type[Fusion]] = {
    "early": EarlyFusion,
    "late": LateFusion,
    "joint": JointFusion,
    "hybrid": HybridFusion,
    "attention": AttentionFusion,
    "low_rank": LowRankFusion,
    "gradient_blending": GradientBlending,
    "network": NetworkFusion,
}

PAIRED: Mapping[str, tuple[str, str]] = {
    "multimodal_cnn": ("cnn", "joint"),
    "multimodal_rnn": ("rnn", "joint"),
}
"""Names of an encoder, of modalities that it takes, and a fusion: feature maps or hidden states
that are merged."""

FusionName = str | tuple[str, Mapping[str, Any]]
"""A name, or with options."""


def chosen_fusion(fusion: FusionName) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of a fusion, among which ``dropout`` is one of each.

    Raises
    ------
    LearningError
        If there is no such fusion, or it lacks an option that is given.
    """
    name, options = (fusion, {}) if isinstance(fusion, str) else fusion
    paired = PAIRED.get(name, ("", name))[1]
    if paired not in FUSIONS:
        known = [*FUSIONS, *PAIRED]
        raise LearningError(
            f"the fusion is none of {', '.join(known)}, but '{name}'{suggestion(name, known)}"
        )
    # Behind widths, outputs, pack and width.
    known = list(inspect.signature(FUSIONS[paired]).parameters)[4:]
    check_names(options, known, f"the fusion '{name}'")
    for option, value in options.items():
        if option == "dropout":
            check_number(option, value, "[0, 1)")
        elif option != "pool" and value is not None:
            check_whole_number(option, value)
    return name, dict(options)
