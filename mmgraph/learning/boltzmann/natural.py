"""The natural parameters of a machine: the tensors of its factors, read, written and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.layers import LayerFactor, layer_factors

Natural = list[tuple[Tensor, ...]]
"""The tensors of every factor, in the order of the graph."""


def natural_of(graph: FactorGraph) -> Natural:
    """Return the natural parameters of a machine."""
    return [factor.tensors() for factor in layer_factors(graph.factors)]


def copied(natural: Natural, dtype: torch.dtype | None = None) -> Natural:
    """Return natural parameters that no step changes, in a precision."""
    return [tuple(t.detach().to(dtype or t.dtype, copy=True) for t in row) for row in natural]


def same_natural(one: Natural, other: Natural) -> bool:
    """Whether natural parameters are equal."""
    pairs = (zip(a, b, strict=True) for a, b in zip(one, other, strict=True))
    return all(torch.equal(a, b) for row in pairs for a, b in row)


def with_natural(graph: FactorGraph, natural: Sequence[tuple[Tensor, ...]]) -> list[LayerFactor]:
    """Return the factors of a machine with other natural parameters."""
    factors = zip(layer_factors(graph.factors), natural, strict=True)
    return [factor.with_tensors(*row) for factor, row in factors]


@torch.no_grad()
def write_natural(graph: FactorGraph, natural: Sequence[tuple[Tensor, ...]]) -> None:
    """Copy natural parameters into a machine, but those that are its tensors already."""
    for own, row in zip(natural_of(graph), natural, strict=True):
        for tensor, other in zip(own, row, strict=True):
            if tensor.data_ptr() != other.data_ptr():
                tensor.copy_(other)
    graph.numbers_changed()


def named(prefix: str, natural: Natural) -> dict[str, Tensor]:
    """Return natural parameters by names ``"PREFIX:FACTOR:NUMBER"``."""
    return {f"{prefix}:{i}:{j}": t for i, row in enumerate(natural) for j, t in enumerate(row)}


def natural_named(prefix: str, tensors: Mapping[str, Tensor], device: torch.device) -> Natural:
    """Return copies of what :func:`named` has named, on a device; empty if there is nothing."""
    rows: dict[int, dict[int, Tensor]] = {}
    for place, tensor in part(tensors, f"{prefix}:").items():
        i, j = map(int, place.split(":"))
        rows.setdefault(i, {})[j] = tensor.to(device).clone()
    return [tuple(row[j] for j in sorted(row)) for _, row in sorted(rows.items())]


def prefixed(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return tensors whose names begin with a prefix."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, by the rest of these names."""
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
