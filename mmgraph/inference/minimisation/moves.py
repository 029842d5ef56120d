"""Moves that change many nodes at once, each the best of its kind: one minimum cut a move.

Boykov, Veksler and Zabih (2001, "Fast approximate energy minimization via graph cuts"). An
*expansion* of a state lets every node take that state or keep its own, and asks for a metric; a
*swap* of two states divides the nodes that have either anew, and asks for a semimetric; a *fusion*
lets every node take its state of a proposal or keep its own (Lempitsky, Rother, Roth and Blake
2010, "Fusion moves for Markov random field optimization"), and asks for nothing: where it is no
cut, roof duality leaves some nodes undecided, and these keep their states. No move ever raises the
energy.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from mmgraph.inference.minimisation.binary_energy import Energies, Region, best_choice
from mmgraph.inference.minimisation.binary_kernels import broken_inequality, takes_state

Labelling = Int[np.ndarray, " nodes"]


def expansion_move(
    energies: Energies, labelling: Labelling, state: int, region: Region | None = None
) -> Labelling:
    """Return the best labelling in which every node keeps its state or takes the one given.

    The energy is never higher. It is the best where the edges are a metric; elsewhere see
    :func:`fusion_move`. A node that does not have the state, or may not take it, keeps its own, and
    so do all outside of the region.
    """
    offsets = energies.pairwise.offsets
    proposal = takes_state(labelling, state, energies.unary, offsets)
    return fusion_move(energies, labelling, proposal, region)


def swap_move(energies: Energies, labelling: Labelling, first: int, second: int) -> Labelling:
    """Return the best labelling in which nodes of two states are divided between these anew.

    The energy is never higher. It is the best where the edges are a semimetric.
    """
    offsets, unary = energies.pairwise.offsets, energies.unary
    having = np.flatnonzero((labelling == first) | (labelling == second))
    # Only a node that may take both states can be given either.
    a, b = (takes_state(labelling, state, unary, offsets)[having] for state in (first, second))
    free = (a == first) & (b == second)
    members = having[free]
    zero, one = labelling.copy(), labelling.copy()
    zero[members], one[members] = first, second
    mixed = best_choice(energies, zero, one, energies.region(members))
    return _if_better(energies, labelling, mixed, members)


def fusion_move(
    energies: Energies, labelling: Labelling, proposal: Labelling, region: Region | None = None
) -> Labelling:
    """Return a labelling in which every node keeps its state or takes the proposal's.

    The energy is never higher than that of ``labelling``. It is the lowest possible where no edge
    is opposed, see :func:`best_choice`. Outside of the region all nodes keep their states.
    """
    place = energies.everywhere if region is None else region
    mixed = best_choice(energies, labelling, proposal, place)
    return _if_better(energies, labelling, mixed, place.nodes)


def _if_better(
    energies: Energies, labelling: Labelling, mixed: Labelling, members: Int[np.ndarray, " members"]
) -> Labelling:
    return mixed if energies.change(labelling, mixed, members) < 0 else labelling


def broken_metric(
    energies: Energies, semimetric: bool = False
) -> tuple[int, tuple[int, int, int]] | None:
    """Return an edge that is no metric (no semimetric), and three states that show it.

    For states ``x``, ``y`` and ``z`` a metric has E(x, y) + E(z, z) <= E(x, z) + E(z, y); a
    semimetric need have it for ``x = y`` only.
    """
    edge, x, y, z = broken_inequality(semimetric, energies.tolerance, energies.pairwise.edge_arrays)
    return None if edge < 0 else (int(edge), (int(x), int(y), int(z)))
