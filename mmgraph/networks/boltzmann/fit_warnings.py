"""Whether training has led anywhere: what a machine says of the rows that it has learned from."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import ConstantRepresentationWarning, UselessLabelsWarning, warn_caller
from mmgraph.graph.evidence import MISSING, Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.networks.boltzmann.answers import posterior_means
from mmgraph.networks.boltzmann.layers import Layers

_CONSTANT = 0.02
"""The standard deviation over rows up to which a unit of the joint layer says nothing of them."""

_MOST_ROWS = 500

_SLACK = 0.02
"""By which share of hits sound probabilities may fall short of naming the commonest label."""


def warn_if_useless(graph: FactorGraph, layers: Layers, evidence: Evidence) -> None:
    """Warn where the joint layer, or the labels predicted, do not depend on the rows learned from.

    Some 500 of them are looked at, from all over the data.
    """
    count = min(evidence.batch, _MOST_ROWS)
    some = evidence.rows(np.linspace(0, evidence.batch - 1, count).astype(np.int64))
    shown = some if layers.labels is None else some.without(layers.labels.name)
    if count < 2 or not any(shown.tells(variable.name) for variable in layers.visible):
        return
    names = [layers.joint.name, *([] if layers.labels is None else [layers.labels.name])]
    means = posterior_means(graph, shown, names)
    most = float(means[layers.joint.name].std(0).max())
    if most < _CONSTANT:
        warn_caller(
            f"the joint layer says the same of every row: no mean of its units varies by more than "
            f"{most:.2g} (standard deviation). More epochs, a higher learning_rate, or fewer units "
            "and layers may help",
            ConstantRepresentationWarning,
        )
    if layers.labels is not None and (codes := some.hard(layers.labels.name)) is not None:
        _warn_of_labels(means[layers.labels.name].cpu(), codes)


def _warn_of_labels(chances: Float[Tensor, "rows states"], codes: Tensor) -> None:
    """Compare the probabilities of known labels with their frequencies, by log-loss and hits."""
    known = codes != MISSING
    chances, codes = chances[known].double(), codes[known].long()
    if len(codes) < 2:
        return
    shares = torch.bincount(codes, minlength=chances.shape[1]).double() / len(codes)
    loss = -float(chances.gather(1, codes[:, None]).clamp_min(1e-300).log().mean())
    entropy = -float(torch.xlogy(shares, shares).sum())
    right, majority = float((chances.argmax(1) == codes).double().mean()), float(shares.max())
    if loss >= entropy or right < majority - _SLACK:
        warn_caller(
            f"labels of rows learned from are predicted no better than by their frequencies: right "
            f"in {right:.3f} of them (the commonest label: {majority:.3f}), with a log-loss of "
            f"{loss:.3g} (frequencies: {entropy:.3g}). More epochs, smaller batches, another "
            "learning_rate or standardised data may help",
            UselessLabelsWarning,
        )
