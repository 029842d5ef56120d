"""Rows of evidence on continuous elements, sorted by which of them they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from mmgraph.graph.evidence import Evidence
from mmgraph.graph.variable import Variable


@dataclass(frozen=True, eq=False)
class Patterns:
    """Rows next to each other where they lack the same elements.

    Attributes
    ----------
    order : array of shape (rows,)
        The rows of the evidence, pattern by pattern.
    observed : array of shape (patterns, elements)
    first : array of shape (patterns + 1,)
        Where the rows of each pattern begin.
    values : array of shape (elements, rows)
        NaN where missing.
    """

    order: Int64[np.ndarray, " rows"]
    observed: Bool[np.ndarray, "patterns elements"]
    first: Int64[np.ndarray, "..."]
    values: Float64[np.ndarray, "elements rows"]

    @property
    def pattern_of(self) -> Int64[np.ndarray, " rows"]:
        """The pattern of each row, in the order of the rows here."""
        return np.repeat(np.arange(len(self.observed)), np.diff(self.first))

    @property
    def always(self) -> Bool[np.ndarray, " elements"]:
        """Which elements all rows observe."""
        return np.asarray(self.observed.all(0))

    @property
    def ever(self) -> Bool[np.ndarray, " elements"]:
        """Which elements some row observes."""
        return np.asarray(self.observed.any(0))

    def some(self, patterns: Int64[np.ndarray, " some"]) -> Patterns:
        """Return the rows of some patterns."""
        ends = [(self.first[p], self.first[p + 1]) for p in patterns]
        rows = np.concatenate([np.arange(begin, end) for begin, end in ends])
        first = np.concatenate([[0], np.cumsum([end - begin for begin, end in ends])])
        return Patterns(self.order[rows], self.observed[patterns], first, self.values[:, rows])


def patterns_of(values: Float64[np.ndarray, "rows elements"]) -> Patterns:
    """Return rows sorted by which of their elements are NaN."""
    observed = ~np.isnan(values)
    if (observed == observed[0]).all():
        first = np.array([0, len(values)])
        columns = np.ascontiguousarray(values.T)
        return Patterns(np.arange(len(values)), observed[:1], first, columns)
    packed = np.packbits(observed, axis=1)
    keys = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    _, row, pattern, counts = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(pattern, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)])
    return Patterns(order, observed[row], first, np.ascontiguousarray(values[order].T))


def values_of(
    evidence: Evidence, variables: Sequence[Variable]
) -> Float64[np.ndarray, "rows elements"]:
    """Return what is observed of continuous variables, their elements side by side."""
    values = np.full((evidence.batch, sum(v.size for v in variables)), np.nan)
    at = 0
    for v in variables:
        here = evidence.values.get(v.name)
        if here is not None:
            rows = here.detach().cpu().double().reshape(len(here), -1).numpy()
            values[:, at : at + v.size] = rows
        at += v.size
    return values


def value_tensors(
    evidence: Evidence, variables: Sequence[Variable]
) -> Float[Tensor, "rows elements"]:
    """Return the same with its gradients, on the device where some of the values are."""
    given = [evidence.values[v.name] for v in variables if v.name in evidence.values]
    device = next((t.device for t in given if t.device.type != "cpu"), None)
    missing = torch.full((evidence.batch, 1), torch.nan, dtype=torch.float64, device=device)
    columns = [
        evidence.values[v.name].to(missing).reshape(evidence.batch, v.size)
        if v.name in evidence.values
        else missing.expand(-1, v.size)
        for v in variables
    ]
    return torch.cat(columns, 1)
