"""Starts of positive probability for chains, also where factors have hard zeros."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int, UInt32

from mmgraph.graph.errors import NotTabularError, TreewidthError, ZeroProbabilityError
from mmgraph.graph.evidence import Evidence
from mmgraph.inference.exact.impossible_evidence import raise_impossible
from mmgraph.inference.exact.junction_tree import exact_samples
from mmgraph.inference.pairwise.feasible import feasible_labelling
from mmgraph.inference.sampling.gibbs_kernels import gibbs_sweeps, interaction_energies
from mmgraph.inference.sampling.gibbs_program import ConditionedProgram, Tempering
from mmgraph.inference.sampling.schedule import Part, Schedule

_PENALTIES = (1.0, 2.0, 4.0, 8.0, 16.0)
_SWEEPS_EACH = 20
_ZERO_COST = 4.0
_STARTS = np.uint32(0x5BD1E995)


def starting_states(
    conditioned: ConditionedProgram,
    evidence: Evidence,
    chains: int,
    key: UInt32[np.ndarray, " 2"],
    generator: torch.Generator | None,
) -> Int[np.ndarray, "chains nodes"]:
    """Return a start for each chain, with every element in a state that the others allow.

    Every element is first drawn by its unary factors alone. Where tables have hard zeros, chains
    are then repaired by sweeps in which a violated zero costs a penalty that grows; if that fails,
    starts are those of :func:`searched_states`.
    """
    key = key ^ _STARTS  # none of the random numbers of the sweeps that follow
    states = conditioned.first_states(chains)
    tempered_sweeps(conditioned, states, Tempering.even(chains, 0.0, 0.0), key, (0, 1))
    if not conditioned.has_hard_zeros:
        return states
    allowed = _allowed(conditioned, states)
    starts, rough = states[allowed], states[~allowed]
    for number, penalty in enumerate(np.repeat(_PENALTIES, _SWEEPS_EACH), 1):
        if not len(rough):
            break
        tempering = Tempering.even(len(rough), 1.0, penalty)
        tempered_sweeps(conditioned, rough, tempering, key, (number, number + 1))
        allowed = _allowed(conditioned, rough)
        starts, rough = np.concatenate([starts, rough[allowed]]), rough[~allowed]
    if not len(starts):
        starts = searched_states(conditioned, evidence, chains, generator)
    return np.resize(starts, states.shape)


def tempered_sweeps(
    conditioned: ConditionedProgram,
    states: Int[np.ndarray, "chains nodes"],
    tempering: Tempering,
    key: UInt32[np.ndarray, " 2"],
    sweeps: tuple[int, int],
    chains: tuple[int, int] | None = None,
) -> None:
    """Sweep a range of chains (by default all) in place, each at its temperature and penalty.

    The sweeps are a range of numbers, none of which may come twice with one key.
    """
    part = Part(0, len(conditioned.order), *(chains or (0, len(states))), *sweeps)
    none = Schedule(0, 0, 0)  # nothing is recorded
    sums, trace = np.zeros((1, 1)), np.zeros((1, 1, 1), states.dtype)
    gibbs_sweeps(part, conditioned.arrays, states, tempering, key, none, sums, trace)


def zero_costs(inverse: Float64[np.ndarray, " chains"]) -> Float64[np.ndarray, " chains"]:
    """Return what a violated hard zero costs at inverse temperatures of at most one.

    Nothing where interactions count nothing, infinitely much in the model itself: between the two
    every state has a positive probability, and samplers can cross what the model forbids.
    """
    with np.errstate(divide="ignore"):
        costs: np.ndarray = -_ZERO_COST * np.log1p(-inverse)
    return costs


def energies_of(
    conditioned: ConditionedProgram, states: Int[np.ndarray, "chains nodes"]
) -> np.ndarray:
    """Return each chain's finite interaction energy and its violated hard zeros, (chains, 2)."""
    result = np.empty((len(states), 2))
    interaction_energies(states, conditioned.program.elements, conditioned.arrays, result)
    return result


def searched_states(
    conditioned: ConditionedProgram,
    evidence: Evidence,
    chains: int,
    generator: torch.Generator | None,
) -> Int[np.ndarray, "chains nodes"]:
    """Return starts drawn from a junction tree, or one found by search where none fits the memory.

    An impossible row of evidence is a ZeroProbabilityError, a search that gave up an MmgraphError.
    """
    row, pairwise = conditioned.row, conditioned.program.pairwise
    states = conditioned.first_states(chains)
    try:
        drawn = exact_samples(pairwise.graph, evidence.rows(slice(row, row + 1)), chains, generator)
    except ZeroProbabilityError:
        raise_impossible(pairwise.graph, evidence, np.array([row]), None)
    except (TreewidthError, NotTabularError):
        try:
            states[:] = feasible_labelling(pairwise, conditioned.unary)
        except ZeroProbabilityError as error:
            raise ZeroProbabilityError(
                f"row {row} of the evidence is impossible: {error}", (row,), evidence.observed()
            ) from None
        states[:, conditioned.program.is_table] = 0
        return states
    for name, node in pairwise.first_node.items():
        states[:, node] = drawn[name][0].numpy()
    return states


def _allowed(conditioned: ConditionedProgram, states: np.ndarray) -> Bool[np.ndarray, " chains"]:
    """Whether each chain's states violate no hard zero."""
    allowed: np.ndarray = energies_of(conditioned, states)[:, 1] == 0
    return allowed
