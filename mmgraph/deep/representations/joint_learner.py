"""How a joint space is learned: from any of the modalities to all that there are."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.losses.loss import Loss, NetOutput
from mmgraph.deep.packs.layers import Codes
from mmgraph.deep.training.learner import NetLearner
from mmgraph.deep.training.net import presence
from mmgraph.graph.errors import LearningError


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
        space = dict.fromkeys(cells, self.net.fusion.joint(codes, there))
        scores = self.net.fusion(codes, there)
        return NetOutput(cells, presence(cells), space, weights, scores, labels, self._spaces)

    def _spaces(self, cells: Mapping[str, Cells]) -> dict[str, Codes]:
        """The joint space of rows, as the code of each modality."""
        space = self.net.fusion.joint(self.net.codes(cells), presence(cells))
        return dict.fromkeys(cells, space)

    def _check_terms(self, loss: Loss) -> None:
        """Refuse losses between modalities, too, whose codes are all one here."""
        super()._check_terms(loss)
        for term in loss.terms():
            if term.ties_codes:
                raise LearningError(
                    f"the loss '{term.name}' is between the codes of modalities, of which a joint "
                    "space is but one: it ties coordinated spaces"
                )
