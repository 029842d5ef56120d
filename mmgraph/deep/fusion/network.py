"""Fusion by a network: what each modality shows of a hidden cause is soft evidence of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mmgraph.deep.fusion.fusion import Fusion, Present, Scores
from mmgraph.deep.packs.layers import Codes, PackedLinear
from mmgraph.deep.packs.pack import Pack


class NetworkFusion(Fusion):
    """A network in which each modality shows a state that depends on the class.

    Codes become log-likelihoods of the states that a modality shows: soft evidence, from which the
    class follows by exact inference. How the states depend on the class is learned with the
    encoders, through inference. Without a modality its evidence is absent.

    Parameters
    ----------
    states : int, optional
        How many a modality shows; by default as many as there are classes.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        outputs: int,
        pack: Pack,
        width: int,
        dropout: float,
        states: int | None = None,
    ) -> None:
        # Inference takes longer to load than all other fusions together.
        from mmgraph.deep.fusion.network_tables import NetworkTables, star_network

        super().__init__(widths, outputs, pack, width, dropout)
        count = states or outputs
        with torch.device("cpu"):  # also where nets are made on none: tables are checked
            self.network = NetworkTables(star_network(widths, outputs, count), pack.members)
        self.heads = nn.ModuleList(PackedLinear(w, count, pack) for w in widths.values())

    def forward(self, codes: Mapping[str, Codes], present: Present) -> Scores:
        """Return the log-posterior of classes by all that is there, and by each modality."""
        likelihoods, parts = {}, 1 + len(codes)
        for place, (modality, head) in enumerate(zip(codes, self.heads, strict=True)):
            said = head(codes[modality]).where(present[modality][None, :, None], 0.0)
            silent = torch.zeros_like(said)
            # All questions at once, one after another along the rows.
            asked = [said if part in (0, place + 1) else silent for part in range(parts)]
            likelihoods[f"shown by {modality}"] = torch.cat(asked, 1)
        answers = self.network.log_posterior("class", likelihoods)
        fused, *single = answers.to(next(iter(codes.values())).dtype).chunk(parts, 1)
        return Scores(fused, dict(zip(codes, single, strict=True)))
