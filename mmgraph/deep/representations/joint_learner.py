"""How a joint space is learned: from any of the modalities to all that there are."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.losses.loss import NetOutput
from mmgraph.deep.training.learner import NetLearner
from mmgraph.deep.training.net import presence


class JointLearner(NetLearner):
    """A net whose joint space is each modality's code: of those, too, that are hidden in a step."""

    def output(
        self,
        seen: Mapping[str, Cells],
        cells: Mapping[str, Cells],
        labels: Float[Tensor, "rows classes"],
        weights: Float[Tensor, " rows"],
    ) -> NetOutput:
        """Return the joint space of what is seen, and what rows had before some was hidden."""
        codes, there = self.net.codes(seen), presence(seen)
        space = self.net.fusion.joint(codes, there)
        scores = self.net.fusion(codes, there)
        return NetOutput(
            cells, presence(cells), dict.fromkeys(cells, space), weights, scores, labels
        )
