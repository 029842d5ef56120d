"""Exact answers on any graph: arrays are unrolled to their elements first, and gathered again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import EvidenceError, UnderflowError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.exact import enumeration, junction_tree, torch_contraction
from mmgraph.inference.exact.impossible_evidence import check_possible
from mmgraph.inference.exact.join_tree import table_view
from mmgraph.inference.exact.unrolling import unrolled
from mmgraph.inference.gaussian.joint_moments import JointMoments, moments_of
from mmgraph.inference.gaussian.mixtures import Belief, MixtureMarginals
from mmgraph.inference.gaussian.model import gaussian_model, single_leaves
from mmgraph.inference.gaussian.tables import without_penalties
from mmgraph.inference.model_variables import (
    has_discrete_variables,
    needs_unrolling,
    normal_variables,
    tables_device,
)
from mmgraph.inference.normaliser import normaliser
from mmgraph.inference.options import is_elsewhere
from mmgraph.inference.posterior import Moments, Posterior

DOUBLES_HOLD = 600.0
"""Nats between the largest and the smallest potential that products of doubles keep apart."""

_LARGEST_CLIQUE = 32

_MODULES: dict[str, Any] = {
    "junction_tree": junction_tree,
    "enumeration": enumeration,
    "torch": torch_contraction,
}


def marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    method: str,
    memory_budget: int | None = None,
    device: str = "auto",
    dtype: torch.dtype | None = None,
) -> Posterior:
    """Return exact marginals by ``method``: junction_tree, enumeration or torch."""
    began = time.perf_counter()
    scalar, options = unrolled(graph), _options(method, memory_budget, device)
    real = _real_marginals(graph, evidence, variables, memory_budget, device)
    asked = {} if variables is None or real is None else real.names
    if asked:
        variables = [name for name in variables or () if name not in asked]
    if method == "torch":
        options["dtype"] = dtype
    module = _MODULES[method]
    elements = scalar.evidence(evidence)
    if real is not None:
        real.compute(asked)
    if real is not None and real.log_density is not None and not has_discrete_variables(graph):
        fields = _of_real_variables(graph, evidence, real.log_density)
    else:
        fields = module.marginals(scalar.graph, elements, scalar.names(variables), **options)
    fields["log_weight"] = without_penalties(graph, evidence, fields["log_weight"])
    model_variables: Mapping[str, Variable] = graph.variables
    if scalar.graph is not graph:
        answer = Posterior(scalar.graph.variables, method=method, **fields)
        fields |= {"moments": Moments(scalar.gathered(answer.marginals, variables)), "flat": None}
        model_variables = {**scalar.graph.variables, **graph.variables}
    return Posterior(
        model_variables,
        method=method,
        exact=True,
        seconds=time.perf_counter() - began,
        is_normalised=graph.is_normalised,
        normaliser=None
        if graph.is_normalised
        else normaliser(scalar.graph, elements, module.log_evidence),
        real=real,
        **fields,
    )


def _real_marginals(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    memory_budget: int | None,
    device: str,
) -> MixtureMarginals | None:
    """What is known of the continuous ones among some variables, by default of all, or None."""
    normal = normal_variables(graph)
    names = normal if variables is None else {n: None for n in variables if n in normal}
    if not names:
        return None
    belief, place = _belief(graph, evidence, memory_budget, device)
    return MixtureMarginals(graph, evidence, names, belief, place, memory_budget)


def _of_real_variables(
    graph: FactorGraph, evidence: Evidence, log_density: Float[Tensor, " batch"]
) -> dict[str, Any]:
    """Fields of a posterior of continuous variables alone, whose log-density is known."""
    for leaf in single_leaves(graph):
        likelihood = leaf.likelihood(evidence)
        if likelihood is not None:
            log_density = log_density + likelihood.values
    check_possible(graph, evidence, log_density, None)
    return {"moments": Moments(), "log_weight": log_density}


def _belief(
    graph: FactorGraph, evidence: Evidence, memory_budget: int | None, device: str
) -> tuple[Belief, torch.device | None]:
    """The function of joint posteriors, and the device of densities if torch is to compute them."""
    method = method_on(graph, evidence, device)
    belief = row_belief(graph, evidence, method, memory_budget, device)
    if method != "torch":
        return belief, None
    return belief, tables_device(graph) if device == "auto" else torch.device(device)


def row_belief(
    graph: FactorGraph,
    evidence: Evidence,
    method: str,
    memory_budget: int | None = None,
    device: str = "auto",
) -> Belief:
    """Return the function of the joint posterior of some discrete variables in some rows."""

    def belief(names: Sequence[str], rows: Int64[np.ndarray, " rows"]) -> Tensor:
        every = len(rows) == evidence.batch and bool((rows == np.arange(len(rows))).all())
        some = evidence if every else evidence.rows(rows)
        return joint(graph, some, names, method, memory_budget, device)

    return belief


def joint_moments(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str],
    device: str = "auto",
    memory_budget: int | None = None,
) -> JointMoments:
    """Return the exact joint moments of continuous variables."""
    method = method_on(graph, evidence, device)
    marginals(graph, evidence, (), method, memory_budget, device)  # refuses impossible evidence
    belief, place = _belief(graph, evidence, memory_budget, device)
    return moments_of(graph, evidence, variables, belief, place, memory_budget)


def _options(method: str, memory_budget: int | None, device: str) -> dict[str, Any]:
    """Options of one exact method, of which torch alone has a device."""
    options: dict[str, Any] = {"memory_budget": memory_budget}
    return options | ({"device": device} if method == "torch" and device != "auto" else {})


def best_assignment(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str] | None,
    method: str,
    memory_budget: int | None = None,
    device: str = "auto",
) -> Assignment:
    """Return the most probable assignment by ``method``: junction_tree, enumeration or torch."""
    began = time.perf_counter()
    if variables is None:
        check_observed(graph, evidence)
    scalar, options = unrolled(graph), _options(method, memory_budget, device)
    elements = scalar.evidence(evidence)
    if scalar.graph is not graph and method == "junction_tree":
        _refuse_what_doubles_lose(scalar.graph, elements)
    states, log_weight = _MODULES[method].best_assignment(
        scalar.graph, elements, scalar.names(variables), **options
    )
    best = scalar.gathered(states, variables)
    return Assignment(
        best,
        {n: graph.variables.get(n) or scalar.graph.variables[n] for n in best},
        log_weight,
        method=method,
        bound=log_weight,
        gap=torch.zeros_like(log_weight),
        seconds=time.perf_counter() - began,
    )


def check_observed(graph: FactorGraph, evidence: Evidence) -> None:
    """Raise EvidenceError where a continuous variable is not observed, so that none is decided."""
    model = gaussian_model(graph)
    for variable in model.variables if model is not None else ():
        values = evidence.values.get(variable.name)
        if values is None or bool(values.isnan().any()):
            if not has_discrete_variables(graph):
                raise EvidenceError(
                    f"'{variable.name}' is continuous, and nothing is discrete: the most probable "
                    "values are the means that query gives"
                )
            raise EvidenceError(
                f"'{variable.name}' is continuous and not observed in every row: the densities of "
                "assignments of different states cannot be compared. Name the discrete variables "
                "to decide; the continuous ones are then integrated out"
            )


def samples(
    graph: FactorGraph,
    evidence: Evidence,
    draws: int,
    generator: torch.Generator | None,
    method: str = "junction_tree",
    memory_budget: int | None = None,
    device: str = "auto",
) -> dict[str, Tensor]:
    """Return exact samples of the discrete variables, ``(batch, draws, *shape)``."""
    scalar, options = unrolled(graph), _options(method, memory_budget, device)
    drawn = _MODULES[method].exact_samples(
        scalar.graph, scalar.evidence(evidence), draws, generator, **options
    )
    return scalar.gathered(drawn, axis=2)


def joint(
    graph: FactorGraph,
    evidence: Evidence,
    variables: Sequence[str],
    method: str = "junction_tree",
    memory_budget: int | None = None,
    device: str = "auto",
) -> Float[Tensor, "batch *states"]:
    """Return the joint distribution of a few scalar variables, or elements named ``x[0,1]``."""
    scalar, options = unrolled(graph), _options(method, memory_budget, device)
    asked = scalar.graph, scalar.evidence(evidence), scalar.names(variables) or []
    if method == "torch":
        return torch_contraction.joint_distribution(*asked, **options)
    return junction_tree.joint_distribution(*asked, **options)[0]


def log_evidence(
    graph: FactorGraph,
    evidence: Evidence,
    method: str,
    memory_budget: int | None = None,
    device: str = "auto",
) -> Float[Tensor, " batch"]:
    """Return log P(evidence) by ``method``: junction_tree, enumeration or torch."""
    scalar, options = unrolled(graph), _options(method, memory_budget, device)
    total: Tensor = _MODULES[method].log_evidence(
        scalar.graph, scalar.evidence(evidence), **options
    )
    return torch.as_tensor(without_penalties(graph, evidence, total))


def spread(graph: FactorGraph, evidence: Evidence) -> float:
    """Return how many nats the finite entries of one clique's table may lie apart, at most.

    What lies further below the largest than doubles reach takes the compiled junction tree into
    logarithms, which cost more than methods that work on energies. A variable moves its clique by
    no more than the ranges of all its factors, and no clique that fits a memory holds more than
    some thirty variables.
    """
    ranges = dict.fromkeys(graph.variables, 0.0)
    for factor in graph.factors:
        for table in factor.tables() if factor.is_tabular else ():
            for variable in table.scope:
                ranges[variable.name] += _range(table.values)
    for name, values in evidence.soft.items():
        ranges[name] += _range(values)
    return sum(sorted(ranges.values())[-_LARGEST_CLIQUE:])


def _range(values: Tensor) -> float:
    finite = values.detach()[torch.isfinite(values.detach())]
    return float(finite.max() - finite.min()) if finite.numel() else 0.0


def _refuse_what_doubles_lose(graph: FactorGraph, evidence: Evidence) -> None:
    apart = spread(graph, evidence)
    if apart > DOUBLES_HOLD:
        raise UnderflowError(
            f"potentials of neighbouring elements may lie {apart:.0f} nats apart, more than a "
            "product of doubles holds; 'trws_and_moves', 'graph_cut' and 'gibbs' work on energies"
        )


def wants_torch(graph: FactorGraph, evidence: Evidence) -> bool:
    """Whether a factor or soft evidence asks for gradients, or lies on another device."""
    if not needs_unrolling(graph):
        return table_view.wants_torch(graph, evidence)
    tensors = [*evidence.soft.values(), *(t for f in graph.factors for t in f.tensors())]
    return any(t.requires_grad or t.device.type != "cpu" for t in tensors)


def method_on(graph: FactorGraph, evidence: Evidence, device: str | None) -> str:
    """Return the exact method for a device: torch elsewhere, and where gradients are asked for."""
    return "torch" if is_elsewhere(device) or wants_torch(graph, evidence) else "junction_tree"
