"""The fusions by name."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.deep.fusion.attention import AttentionFusion
from mmgraph.deep.fusion.early import EarlyFusion
from mmgraph.deep.fusion.fusion import Fusion
from mmgraph.deep.fusion.gradient_blending import GradientBlending
from mmgraph.deep.fusion.hybrid import HybridFusion
from mmgraph.deep.fusion.joint import JointFusion
from mmgraph.deep.fusion.late import LateFusion
from mmgraph.deep.fusion.low_rank import LowRankFusion
from mmgraph.deep.fusion.network import NetworkFusion

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
