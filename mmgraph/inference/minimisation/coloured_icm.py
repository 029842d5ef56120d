"""Iterated conditional modes by torch, on any device: what shares no factor moves together.

Elements of grids and networks, or layers of units, colour after colour, all rows in one batch.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import one_hot
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.field.block_gibbs import States, free_parts, merged
from mmgraph.inference.field.coordinate_ascent import ascend
from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.model_variables import default_precision, tables_device
from mmgraph.inference.pairwise.colouring import Masks, colour_masks
from mmgraph.inference.pairwise.labelling_energies import assignment_energies, with_feasible_rows

_MEAN_FIELD_PASSES = 20


def icm_of_elements(
    graph: FactorGraph,
    evidence: Evidence,
    starts: Mapping[str, Int64[Tensor, "batch *shape"]],
    iterations: int,
    device: torch.device,
) -> Assignment:
    """Return an assignment, on the CPU, that no change of a single element betters.

    Some variables start from the state indices of ``starts``. Raises as
    :func:`mmgraph.inference.minimisation.icm.icm`.
    """
    began = time.perf_counter()
    with torch.no_grad():
        view = SoftenedView(graph, evidence, device, torch.float64)
        _check_states(view)
        search = functools.partial(_search, view, colour_masks(graph), iterations)
        states, done, changed = search(starts)
        energies = assignment_energies(graph, evidence, states)
        if bool(torch.isinf(energies).any()):
            mended, _ = with_feasible_rows(graph, evidence, states, energies)
            states, more, changed = search(mended)
            energies, done = assignment_energies(graph, evidence, states), max(done, more)
    variables = {name: graph.variables[name] for name in states}
    return Assignment(states, variables, -energies, **_account("states", done, changed, began))


def icm_of_layers(
    graph: FactorGraph, evidence: Evidence, iterations: int, device: str = "auto"
) -> Assignment:
    """Return values, on the CPU, that no change of a single unit betters.

    The search starts from the modes of mean field. Units of one layer are independent given the
    others, so that a layer of them moves as one.
    """
    began = time.perf_counter()
    place = tables_device(graph) if device == "auto" else torch.device(device)
    view = FieldView(graph, evidence, place, default_precision(graph))
    view.check_possible()

    def mode(name: str, states: States) -> Tensor:
        return view.clamp(name, view.families[name].mode(view.field(name, states)))

    colours = colour_masks(graph)
    with torch.no_grad():
        states = view.start()
        ascend(view, colours, states, _MEAN_FIELD_PASSES)
        done, changed = _sweep(view, colours, states, mode, iterations)
        log_weight = view.expected_log_weight(states) + view.log_base(states)
    values = {n: view.forms[n].values(s).cpu() for n, s in states.items()}
    account = _account("units", done, changed, began)
    return Assignment(values, dict(view.variables), log_weight.double().cpu(), **account)


def _account(what: str, done: int, changed: bool, began: float) -> dict[str, Any]:
    return {
        "method": "icm",
        "exact": False,
        "converged": not changed,
        "shortfall": f"icm: {what} still changed in sweep {done}, the last" if changed else "",
        "iterations": done,
        "seconds": time.perf_counter() - began,
    }


def _sweep(
    view: FieldView,
    colours: Sequence[Masks],
    states: States,
    best: Callable[[str, States], Tensor],
    iterations: int,
) -> tuple[int, bool]:
    """Sweep until no state changes; return how many sweeps it took, and whether any still does."""
    done, changed = 0, True
    while changed and done < iterations:
        changed = False
        for name, mask in free_parts(view, colours):
            fresh = merged(view, mask, best(name, states), states[name])
            changed |= not torch.equal(fresh, states[name])
            states[name] = fresh
        done += 1
    return done, changed


def _check_states(view: SoftenedView) -> None:
    """Raise ZeroProbabilityError if the evidence leaves an element no state."""
    for name, unary in view.unary.items():
        without = torch.isneginf(unary).all(-1).reshape(len(unary), -1).any(1)
        if bool(without.any()):
            row = int(without.nonzero()[0])
            raise ZeroProbabilityError(
                f"the evidence in row {row} leaves '{name}' no state of positive probability",
                (row,),
                (name,),
            )


def _search(
    view: SoftenedView, colours: Sequence[Masks], iterations: int, starts: Mapping[str, Tensor]
) -> tuple[dict[str, Int64[Tensor, "batch *shape"]], int, bool]:
    """Sweep from some states; return the last ones, and as :func:`_sweep`."""
    states: States = {
        name: one_hot(
            starts[name].to(view.device) if name in starts else unary.argmax(-1),
            unary.shape[-1],
            view.dtype,
        )
        for name, unary in view.unary.items()
    }
    done, changed = _sweep(view, colours, states, functools.partial(_best, view), iterations)
    return {name: one.argmax(-1).cpu() for name, one in states.items()}, done, changed


def _best(view: SoftenedView, name: str, states: States) -> Tensor:
    """The states that meet fewest hard zeros, of those the best; a tie keeps the state."""
    alone, joined = view.unary[name], view.coupling_field(name, states)
    excluded = torch.isneginf(alone)
    broken = excluded.to(view.dtype)
    zeros = view.broken(name, states)
    broken = broken if zeros is None else broken + zeros
    score = alone.masked_fill(excluded, 0.0) + (0.0 if joined is None else joined)
    score = score.masked_fill(broken > broken.amin(-1, keepdim=True) + 0.5, -torch.inf)
    codes = states[name].argmax(-1, keepdim=True)
    stays = score.gather(-1, codes) >= score.amax(-1, keepdim=True)
    best = torch.where(stays, codes, score.argmax(-1, keepdim=True))
    return one_hot(best.squeeze(-1), score.shape[-1], view.dtype)
