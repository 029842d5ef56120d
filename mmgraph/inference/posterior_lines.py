"""Posteriors as lines of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from mmgraph.graph.variable import Variable, element_names


def marginal_lines(
    marginals: Mapping[str, Tensor], variables: Mapping[str, Variable]
) -> Iterator[tuple[int, str, object, float]]:
    """Yield row, element, label and probability of distributions ``(batch, *shape, states)``."""
    for name, table in marginals.items():
        variable = variables[name]
        elements = element_names(variable)
        for row, distributions in enumerate(table.reshape(len(table), len(elements), -1)):
            for element, distribution in zip(elements, distributions.tolist(), strict=True):
                for label, probability in zip(variable.labels, distribution, strict=True):
                    yield row, element, label, probability


def real_lines(
    moments: Iterable[tuple[str, Tensor, Tensor]], variables: Mapping[str, Variable]
) -> Iterator[tuple[int, str, None, None, float, float]]:
    """Yield row, element, mean and variance of names with moments ``(batch, *shape)``."""
    for name, mean, variance in moments:
        elements = element_names(variables[name])
        columns = torch.stack([mean.reshape(len(mean), -1), variance.reshape(len(mean), -1)], -1)
        for row, numbers in enumerate(columns.tolist()):
            for element, (centre, spread) in zip(elements, numbers, strict=True):
                yield row, element, None, None, centre, spread
