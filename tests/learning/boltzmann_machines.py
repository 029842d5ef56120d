"""Small machines of every family, and what enumeration says of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor

import mmgraph as mm
from mmgraph.graph.exponential_family import statistics_shape


def variable_of(family: str, name: str = "v") -> mm.Variable:
    if family == "categorical":
        return mm.Variable(name, 3, (2,))
    if family == "replicated_softmax":
        return mm.Variable(name, shape=(3,), family="replicated_softmax")
    return mm.Variable(name, shape=(3,), family=family)  # type: ignore[arg-type]


def machine(
    family: str = "bernoulli", layers: tuple[int, ...] = (2,), seed: int = 0, scale: float = 0.5,
    dtype: torch.dtype = torch.float64, length: int = 4,
) -> mm.FactorGraph:  # fmt: skip
    """A visible layer ``v`` of a family under layers ``h1``, ``h2``, … of Bernoulli units."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    visible = variable_of(family)
    hidden = [mm.Variable(f"h{i}", shape=(n,), family="bernoulli") for i, n in enumerate(layers, 1)]
    variables = [visible, *hidden]
    factors: list = []
    for variable in variables:
        bias = drawn(*statistics_shape(variable))
        precision = drawn(*variable.shape).exp() if variable.family == "gaussian" else None
        factors.append(mm.BiasFactor(variable, bias, precision, length))
    for below, above in itertools.pairwise(variables):
        shape = (*statistics_shape(below), *statistics_shape(above))
        factors.append(mm.BilinearFactor(below, above, drawn(*shape)))
    return mm.FactorGraph(variables, factors)


def all_binary(units: int) -> Tensor:
    """All rows of zeros and ones."""
    rows = list(itertools.product([0.0, 1.0], repeat=units))
    return torch.tensor(rows, dtype=torch.float64)


def all_values(variable: mm.Variable, length: int = 4) -> Tensor:
    """All statistics that a discrete layer, or a document of a length, may have."""
    if variable.family == "bernoulli":
        return all_binary(variable.size)
    if variable.family == "categorical":
        codes = list(itertools.product(range(variable.cardinality), repeat=variable.size))
        one_hot = torch.nn.functional.one_hot(torch.tensor(codes), variable.cardinality)
        return one_hot.double()
    counts = [c for c in itertools.product(range(length + 1), repeat=3) if sum(c) == length]
    return torch.tensor(counts, dtype=torch.float64)


def log_weight(
    graph: mm.FactorGraph, natural: list[tuple[Tensor, ...]], statistics: Mapping[str, Tensor]
) -> Tensor:
    """The log-weight of rows of statistics by a list of natural parameters, base measure too."""
    total = torch.zeros((), dtype=torch.float64)
    for factor, row in zip(graph.factors, natural, strict=True):
        names = [v.name for v in factor.scope]
        values = [statistics[n].flatten(1) for n in names]
        if len(names) == 2:
            matrix = row[0].reshape(values[0].shape[1], -1)
            total = total + ((values[0] @ matrix) * values[1]).sum(1)
            continue
        total = total + values[0] @ row[0].reshape(-1)
        if len(row) > 1:
            total = total - 0.5 * values[0].square() @ row[1].reshape(-1)
        if factor.scope[0].family == "replicated_softmax":
            total = total + torch.lgamma(values[0].sum(1) + 1)
            total = total - torch.lgamma(values[0] + 1).sum(1)
    return total


def hidden_names(graph: mm.FactorGraph) -> list[str]:
    return [n for n in graph.variables if n.startswith("h")]


def hidden_states(graph: mm.FactorGraph) -> dict[str, Tensor]:
    """Every joint state of the hidden layers, as rows."""
    names = hidden_names(graph)
    sizes = [graph.variables[n].size for n in names]
    rows = all_binary(sum(sizes))
    return dict(zip(names, rows.split(sizes, 1), strict=True))


def log_likelihood(
    graph: mm.FactorGraph, natural: list[tuple[Tensor, ...]], values: Tensor, length: int = 4
) -> Tensor:
    """The exact mean log-likelihood of rows, differentiable by the natural parameters."""
    hidden = hidden_states(graph)
    count = len(next(iter(hidden.values())))

    def joint(rows: Tensor) -> Tensor:
        """Log-weights of every row with every hidden state, (rows, states)."""
        statistics = {n: h.repeat(len(rows), 1) for n, h in hidden.items()}
        statistics["v"] = rows.repeat_interleave(count, 0)
        return log_weight(graph, natural, statistics).reshape(len(rows), count)

    above = joint(values).logsumexp(1)
    visible = graph.variables["v"]
    if visible.family != "gaussian":
        below = joint(all_values(visible, length)).logsumexp((0, 1))
        return (above - below).mean()
    # Given the hidden units the real ones are Gaussian, and integrate to a closed form.
    at_zero = joint(torch.zeros(1, visible.size, dtype=torch.float64))[0]
    precision = next(row[1] for row in natural if len(row) > 1)
    bias = next(row[0] for row in natural if len(row) > 1)
    place = next(i for i, f in enumerate(graph.factors) if len(f.scope) == 2)
    field = bias + hidden["h1"] @ natural[place][0].T
    integral = (field.square() / precision + (2 * torch.pi / precision).log()).sum(1) / 2
    return (above - (at_zero + integral).logsumexp(0)).mean()


def data_of(graph: mm.FactorGraph, rows: int, seed: int = 1, length: int = 4) -> Tensor:
    """Random statistics of the visible layer."""
    generator = torch.Generator().manual_seed(seed)
    visible = graph.variables["v"]
    if visible.family == "gaussian":
        return torch.randn(rows, *visible.shape, generator=generator, dtype=torch.float64)
    every = all_values(visible, length)
    return every[torch.randint(len(every), (rows,), generator=generator)]
