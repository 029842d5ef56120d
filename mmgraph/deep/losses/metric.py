"""Losses of pytorch-metric-learning, on the codes of modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from mmgraph.deep.losses.loss import Loss, MemberLosses, NetOutput, precise
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError, check_choice, needs, suggestion


class MetricLoss(Loss):
    """A loss of pytorch-metric-learning, of each member; a mean over modalities.

    The weights of rows do not count in it, nor do rows without a class where classes are alike.

    Parameters
    ----------
    name : str
        A class of ``pytorch_metric_learning.losses``, such as ``"TripletMarginLoss"``.
    alike : {"classes", "rows"}
        Codes of one class, within each modality, or the codes of one row in all modalities.
    **options
        Of that class.

    Raises
    ------
    LearningError
        If there is no such loss, or it does not take the options.
    MissingExtraError
        If the package is not installed.
    """

    compares_rows = True

    def __init__(
        self, name: str, alike: Literal["classes", "rows"] = "classes", **options: Any
    ) -> None:
        super().__init__()
        with needs("deep", "pytorch_metric_learning", "a metric loss"):
            from pytorch_metric_learning import losses
        known = [n for n in dir(losses) if n.endswith("Loss")]
        if name not in known:
            raise LearningError(
                f"pytorch-metric-learning has no loss '{name}'{suggestion(name, known)}"
            )
        check_choice("alike", alike, ("classes", "rows"), LearningError)
        self.kind, self.called, self.alike = getattr(losses, name), name, alike
        self.options = options
        self.needs_classes, self.ties_codes = alike == "classes", alike == "rows"

    @property
    def name(self) -> str:
        """What messages call the loss."""
        return self.called

    def prepare(
        self, shapes: Mapping[str, tuple[int, ...]], widths: Mapping[str, int], pack: Pack
    ) -> None:
        """Make the loss of each member, with parameters from the pack's generator."""
        seed = int(torch.randint(2**31, (), generator=pack.generator))
        # That package draws parameters from the global generator alone.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                self.losses = nn.ModuleList(self.kind(**self.options) for _ in range(pack.members))
            except TypeError as error:
                raise LearningError(f"the loss '{self.name}' cannot be made: {error}") from None

    def forward(self, output: NetOutput) -> MemberLosses:
        """Return the loss of each member."""
        parts = []
        for modality, codes in output.codes.items():
            labels, labelled = self._labels(output)
            rows = (output.present[modality] & labelled).nonzero().flatten()
            parts.append((precise(codes[:, rows]), labels[rows]))
        if self.alike == "rows":
            parts = [(torch.cat([c for c, _ in parts], 1), torch.cat([n for _, n in parts]))]
        losses = [
            torch.stack([loss(c, labels) for loss, c in zip(self.losses, codes, strict=True)])
            for codes, labels in parts
        ]
        return torch.stack(losses).mean(0)

    def _labels(self, output: NetOutput) -> tuple[torch.Tensor, torch.Tensor]:
        """What codes that are alike have in common, and which rows have that."""
        if self.alike == "rows":
            rows = torch.arange(len(output.weights), device=output.weights.device)
            return rows, torch.ones_like(rows, dtype=torch.bool)
        if output.targets is None:
            raise LearningError(f"the loss '{self.name}' is of classes, and rows have no target")
        return output.targets.argmax(-1), output.targets.any(-1)
