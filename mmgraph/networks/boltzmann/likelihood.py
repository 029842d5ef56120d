"""How likely a Boltzmann machine finds rows: their weights, less the log-partition function."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from mmgraph.graph.errors import MmgraphError, TreewidthError, check_choice
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference import query
from mmgraph.inference.field.centring import Centred
from mmgraph.inference.field.coordinate_ascent import is_coupled, log_weights
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import tables_device
from mmgraph.inference.normaliser import document_lengths, of_lengths
from mmgraph.networks.boltzmann.inputs.evidence import patterns

METHODS = ("auto", "mean_field", "annealed_importance_sampling")
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class LogLikelihood:
    """The logarithms of probabilities (densities) of rows, on the CPU wherever the machine is.

    Attributes
    ----------
    value : Tensor, shape (batch,)
    standard_error : Tensor, shape (batch,)
        Of annealed importance sampling; zero where nothing was estimated.
    log_partition : Tensor, shape (batch,)
        What was taken from the weight of each row; with word counts it depends on their length.
    is_bound : Tensor of bool, shape (batch,)
        Where the value is a lower bound, up to its standard error: the weight is by mean field.
    """

    value: Float64[Tensor, " batch"]
    standard_error: Float64[Tensor, " batch"]
    log_partition: Float64[Tensor, " batch"]
    is_bound: Bool[Tensor, " batch"]

    @property
    def kind(self) -> Literal["exact", "estimate", "lower bound"]:
        """What can be said of all rows."""
        if bool(self.is_bound.any()):
            return "lower bound"
        return "estimate" if bool((self.standard_error > 0).any()) else "exact"

    def __repr__(self) -> str:
        return (
            f"LogLikelihood({self.kind}, mean {float(self.value.mean()):.6g} of "
            f"{len(self.value)} rows, standard error up to {float(self.standard_error.max()):.2g})"
        )


class _Estimate(NamedTuple):
    value: Float64[Tensor, " rows"]
    standard_error: Float64[Tensor, " rows"]


@dataclass(frozen=True)
class Annealing:
    """Options of annealed importance sampling, as of :meth:`BoltzmannMachine.log_likelihood`."""

    steps: int
    chains: int
    generator: torch.Generator | None
    base: Mapping[str, Tensor] | None

    def log_partition(
        self, graph: FactorGraph, evidence: Evidence | None, base: Mapping[str, Tensor] | None
    ) -> _Estimate:
        """Return the log-partition functions given evidence, and their errors."""
        annealed = query.query(
            graph, evidence, [], METHODS[-1], steps=self.steps, chains=self.chains,
            generator=self.generator, base=base and dict(base),
        )  # fmt: skip
        error = annealed.diagnostics["standard_error"]["log_partition"]
        return _Estimate(annealed.log_partition, error)

    def base_key(self) -> tuple[tuple[str, tuple[int, ...], bytes], ...]:
        """Return what tells one base from another."""
        base = {n: torch.as_tensor(t) for n, t in (self.base or {}).items()}
        arrays = {n: t.detach().double().cpu() for n, t in base.items()}
        return tuple((n, tuple(t.shape), t.numpy().tobytes()) for n, t in sorted(arrays.items()))


def log_likelihood(
    model: FactorGraph, evidence: Evidence, method: str, annealing: Annealing
) -> LogLikelihood:
    """Return what :meth:`BoltzmannMachine.log_likelihood` describes."""
    check_choice("method", method, METHODS, MmgraphError)
    factors = (factor.to(dtype=torch.float64) for factor in model.factors)
    graph = FactorGraph(model.variables.values(), factors)
    if (near := Centred.of(graph, evidence)) is not None:
        graph, evidence = near.graph, near.evidence
        annealing = replace(annealing, base=annealing.base and near.start(annealing.base))
    normaliser, error = _log_partitions(model, graph, evidence, annealing)
    weight, bound = torch.zeros_like(normaliser), torch.zeros(evidence.batch, dtype=torch.bool)
    for pattern in patterns(evidence):
        for first in range(0, len(pattern), _ROWS_AT_ONCE):
            index = pattern[first : first + _ROWS_AT_ONCE]
            rows = evidence.rows(index)
            log_weight, log_error, is_bound = _log_weights(graph, rows, method, annealing)
            at = torch.from_numpy(index)
            weight[at], bound[at] = log_weight.cpu(), is_bound
            error[at] = torch.hypot(error[at], log_error.cpu())
    taken = normaliser if near is None else near.log_weights(normaliser)
    return LogLikelihood(weight - normaliser, error, taken, bound)


def _log_weights(
    graph: FactorGraph, evidence: Evidence, method: str, annealing: Annealing
) -> tuple[Tensor, Tensor, bool]:
    """The log-weights of rows with everything unobserved summed out, errors, whether a bound."""
    view = FieldView(graph, evidence, tables_device(graph), torch.float64)
    none = torch.zeros(evidence.batch, dtype=torch.float64)
    if not is_coupled(view):
        return log_weights(view, {}), none, False
    if method == "auto":
        with contextlib.suppress(TreewidthError):
            return query.log_partition(graph, evidence), none, False
    if method == "annealed_importance_sampling":
        return *annealing.log_partition(graph, evidence, None), False
    return query.log_partition(graph, evidence, "mean_field"), none, True


def _log_partitions(
    model: FactorGraph, graph: FactorGraph, evidence: Evidence, annealing: Annealing
) -> _Estimate:
    """The log-partition function of each row: of machines of documents, with their lengths."""
    distinct, group = np.unique(document_lengths(graph, evidence), axis=0, return_inverse=True)
    values, errors = torch.zeros(2, len(distinct), dtype=torch.float64)
    for i, row in enumerate(distinct.tolist()):
        values[i], errors[i] = _log_partition(model, graph, tuple(row), annealing)
    at = torch.from_numpy(group.reshape(-1))
    return _Estimate(values[at], errors[at])


def _log_partition(
    model: FactorGraph, graph: FactorGraph, words: tuple[int, ...], annealing: Annealing
) -> tuple[float, float]:
    """The log-partition function for documents of these lengths, kept with the model.

    Numbers that are written in place count a version up, so that what is kept is that of others.
    """
    versions = tuple(t._version for f in model.factors for t in vars(f).values()
                     if isinstance(t, Tensor))  # fmt: skip
    options = (annealing.steps, annealing.chains, annealing.base_key())
    computed = model.cached(_log_partitions_so_far)
    key = (words, *options, versions)
    if key not in computed:
        computed[key] = _computed(of_lengths(graph, words), annealing)
    return computed[key]


def _log_partitions_so_far(_: FactorGraph) -> dict[tuple[Any, ...], tuple[float, float]]:
    """By lengths of documents, options, and versions of the tensors."""
    return {}


def _computed(graph: FactorGraph, annealing: Annealing) -> tuple[float, float]:
    with contextlib.suppress(TreewidthError):
        return float(query.log_partition(graph)[0]), 0.0
    value, error = annealing.log_partition(graph, None, annealing.base)
    return float(value[0]), float(error[0])
