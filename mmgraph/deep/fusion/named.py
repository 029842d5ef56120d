"""The fusions by name."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.deep.fusion.early import EarlyFusion
from mmgraph.deep.fusion.fusion import Fusion
from mmgraph.deep.fusion.joint import JointFusion
from mmgraph.deep.fusion.late import LateFusion

FUSIONS: Mapping[str, type[Fusion]] = {
    "early": EarlyFusion,
    "late": LateFusion,
    "joint": JointFusion,
}
