"""Where mean field starts: distributions to which hard zeros give a finite mean log-weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mmgraph.graph.errors import (
    EvidenceError,
    MmgraphError,
    NotTabularError,
    TreewidthError,
    ZeroProbabilityError,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.exact import junction_tree
from mmgraph.inference.field.initial_means import uninformed_means
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.minimisation.icm import descend
from mmgraph.inference.numerics.counted_random import placed_generator
from mmgraph.inference.pairwise.build import pairwise_graph

Marginals = dict[str, Float[Tensor, "batch *shape states"]]
Start = Literal["random"] | Mapping[str, object] | None
_START_BUDGET = 2**26
"""The bytes that the search for a start among hard zeros may spend on exact tables."""


def starting_means(
    graph: FactorGraph,
    evidence: Evidence,
    view: FieldView,
    initial: Start,
    generator: torch.Generator | None,
) -> Marginals:
    """Return distributions of finite mean log-weight, see :func:`mean_field`."""
    _check_unary(view)
    marginals = view.start() if not view.compact else uninformed_means(view)
    marginals = {n: m.expand(view.batch, *m.shape[1:]) for n, m in marginals.items()}
    if isinstance(initial, str):
        if initial != "random":
            raise MmgraphError(f"unknown start {initial!r} (known: 'random', or distributions)")
        for name in view.free:
            marginals[name] = _random_mean(view, name, generator)
    elif initial is not None:
        marginals.update(_initial_means(graph, view, initial))
    excluded = torch.isneginf(view.expected_log_weight(marginals))
    if not bool(excluded.any()):
        return marginals
    if isinstance(initial, Mapping):
        row = int(excluded.nonzero()[0, 0])
        raise EvidenceError(
            f"the start gives positive probability to what hard zeros exclude, in row {row}"
        )
    if not view.compact:  # which have no hard zeros
        _use_assignments(graph, evidence, marginals, excluded)
    return marginals


def _check_unary(view: FieldView) -> None:
    view.check_possible()
    for name, unary in view.unary.items():
        if name in view.compact:
            continue
        impossible = torch.isneginf(unary).all(-1).reshape(view.batch, -1).any(1)
        if bool(impossible.any()):
            rows = tuple(impossible.nonzero().flatten().tolist())
            raise ZeroProbabilityError(
                f"the evidence leaves '{name}' no state of positive probability in rows "
                f"{list(rows[:8])}",
                rows,
                (name,),
            )


def _random_mean(
    view: FieldView, name: str, generator: torch.Generator | None
) -> Float[Tensor, "batch ..."]:
    """A random distribution over the states; of units without an axis of states a random value."""
    unary = view.unary[name]
    if view.forms[name].has_states:
        return _random(unary.expand(view.batch, *unary.shape[1:]), generator)
    here = placed_generator(generator, view.device)
    drawn: Tensor = view.start(draw=True, generator=here)[name]
    return drawn


def _random(unary: Tensor, generator: torch.Generator | None) -> Tensor:
    """Uniformly distributed over the distributions on the states that are allowed."""
    device = generator.device if generator is not None else unary.device
    drawn = torch.rand(unary.shape, generator=generator, device=device, dtype=unary.dtype)
    weights = -(1 - drawn).log().to(unary.device)
    weights = weights.masked_fill(torch.isneginf(unary), 0.0)
    return weights / weights.sum(-1, keepdim=True)


def _initial_means(graph: FactorGraph, view: FieldView, initial: Mapping[str, object]) -> Marginals:
    marginals = {}
    for name, start in initial.items():
        graph.variable(name)
        if name not in view.variables:
            raise EvidenceError(f"the start gives '{name}', which has no states")
        tensor = torch.as_tensor(start).to(view.device, view.dtype)
        variable = view.variables[name]
        shape = (*variable.shape, variable.cardinality) if variable.is_discrete else variable.shape
        if tuple(tensor.shape) not in (shape, (view.batch, *shape)):
            raise MmgraphError(
                f"the start of '{name}' has shape {tuple(tensor.shape)}; "
                f"{(view.batch, *shape)} was expected"
            )
        positive = variable.family == "gaussian" or bool((tensor >= 0).all())
        if not positive or not bool(torch.isfinite(tensor).all()):
            raise MmgraphError(f"the start of '{name}' holds what is no probability")
        tensor = tensor.expand(view.batch, *shape)
        if view.forms[name].is_chance:
            total = tensor.sum(-1)
            marginals[name] = torch.where(total > 0, tensor[..., 1] / total, 0.5)
        elif not variable.is_discrete:
            marginals[name] = tensor
        else:
            # Evidence may exclude some of the states; what is left is spread by the unary
            # potentials.
            unary = view.unary[name]
            tensor = tensor.masked_fill(torch.isneginf(unary), 0.0)
            total = tensor.sum(-1, keepdim=True)
            marginals[name] = torch.where(total > 0, tensor / total, unary.softmax(-1))
    return {name: view.clamp(name, mean) for name, mean in marginals.items()}


def _use_assignments(
    graph: FactorGraph, evidence: Evidence, marginals: Marginals, rows: Bool[Tensor, " batch"]
) -> None:
    """Let some rows start from one assignment that the hard zeros allow."""
    for row in rows.nonzero().flatten().tolist():
        one = evidence.rows(slice(row, row + 1))
        for name, codes in _possible_assignment(graph, one, row).items():
            marginals[name] = marginals[name].clone()
            one_hot = torch.nn.functional.one_hot(codes[0], graph.variables[name].cardinality)
            marginals[name][row] = one_hot.to(marginals[name])


def _possible_assignment(graph: FactorGraph, one: Evidence, row: int) -> Mapping[str, Tensor]:
    """The most probable assignment where its tables are small, else one that a search finds."""
    try:
        return junction_tree.best_assignment(graph, one, memory_budget=_START_BUDGET)[0]
    except ZeroProbabilityError:
        raise ZeroProbabilityError(
            f"the evidence has probability zero in row {row}", (row,), one.observed()
        ) from None
    except (NotTabularError, TreewidthError):
        pass
    view = pairwise_graph(graph)
    return view.states_of(descend(view, view.unary(one, 0), row).labelling)
