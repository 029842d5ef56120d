"""The encoders by name."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.deep.encoders.encoder import Encoder
from mmgraph.deep.encoders.mlp import MLP

ENCODERS: Mapping[str, type[Encoder]] = {"mlp": MLP}
