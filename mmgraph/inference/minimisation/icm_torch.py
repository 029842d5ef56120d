"""Iterated conditional modes of grids and networks by torch, on any device.

As :mod:`icm`, but elements that share no factor move together, colour after
colour, and all rows are one batch.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from mmgraph.graph.errors import ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.exponential_family import one_hot
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.field.block_gibbs import States, merged
from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.pairwise.colouring import Masks, colour_masks
from mmgraph.inference.pairwise.labelling_energies import assignment_energies, with_feasible_rows


def icm_torch(
    graph: FactorGraph,
    evidence: Evidence,
    starts: Mapping[str, Int64[Tensor, "batch *shape"]],
    iterations: int,
    device: torch.device,
) -> Assignment:
    """Return an assignment, on the CPU, that no change of a single element betters.

    Parameters
    ----------
    starts : mapping of str to Tensor
        State indices to start some variables from.

    Raises
    ------
    ZeroProbabilityError, MmgraphError
        As for :func:`mmgraph.inference.minimisation.icm.icm`.
    """
    began = time.perf_counter()
    with torch.no_grad():
        search = _Search(SoftenedView(graph, evidence, device, torch.float64), colour_masks(graph))
        states, done = search.run(starts, iterations)
        energies = assignment_energies(graph, evidence, states)
        if bool(torch.isinf(energies).any()):
            mended, _ = with_feasible_rows(graph, evidence, states, energies)
            states, more = search.run(mended, iterations)
            energies, done = assignment_energies(graph, evidence, states), max(done, more)
    return Assignment(
        states,
        {name: graph.variables[name] for name in states},
        -energies,
        method="icm",
        exact=False,
        converged=not search.changed,
        shortfall=f"icm: states still changed in sweep {done}, the last" if search.changed else "",
        iterations=done,
        seconds=time.perf_counter() - began,
    )


class _Search:
    """Sweeps over the elements of all rows."""

    def __init__(self, view: SoftenedView, colours: Sequence[Masks]) -> None:
        self.view, self.colours = view, colours
        self.changed = True
        for name, unary in view.unary.items():
            without = torch.isneginf(unary).all(-1).reshape(len(unary), -1).any(1)
            if bool(without.any()):
                row = int(without.nonzero()[0])
                raise ZeroProbabilityError(
                    f"the evidence in row {row} leaves '{name}' no state of positive probability",
                    (row,),
                    (name,),
                )

    def run(
        self, starts: Mapping[str, Tensor], iterations: int
    ) -> tuple[dict[str, Int64[Tensor, "batch *shape"]], int]:
        """Sweep until no state changes; return the states, and how many sweeps it took."""
        view = self.view
        states: States = {
            name: one_hot(
                starts[name].to(view.device) if name in starts else unary.argmax(-1),
                unary.shape[-1],
                view.dtype,
            )
            for name, unary in view.unary.items()
        }
        done, self.changed = 0, True
        while self.changed and done < iterations:
            self.changed = False
            for colour in self.colours:
                for name, mask in colour.items():
                    best = self._best(name, states)
                    fresh = best if mask is None else merged(view, mask, best, states[name])
                    self.changed |= not torch.equal(fresh, states[name])
                    states[name] = fresh
            done += 1
        return {name: one.argmax(-1).cpu() for name, one in states.items()}, done

    def _best(self, name: str, states: States) -> Tensor:
        """The states that meet fewest hard zeros, of those the best; a tie keeps the state."""
        view = self.view
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
