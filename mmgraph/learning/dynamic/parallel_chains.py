"""The parameters of several hidden chains side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.learning.dynamic.climbing import Ascent
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics
from mmgraph.learning.dynamic.emissions.named import emission_class
from mmgraph.learning.dynamic.hidden_chain import distribution, log_prior_of_counts, normalised
from mmgraph.learning.dynamic.sequences import read_labels


class ParallelChains(NamedTuple):
    """Starts and transitions of chains, and what their joint states emit.

    Attributes
    ----------
    starts : tuple of arrays of shape (states,)
    transitions : tuple of arrays
        Of each chain, by row: ``(states, states)`` where chains do not look at one another,
        ``(joint states, states)`` where they do.
    emission : Emission
        Of the joint states, the last chain's fastest.
    """

    starts: tuple[Float64[np.ndarray, " states"], ...]
    transitions: tuple[Float64[np.ndarray, "before states"], ...]
    emission: Emission

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of states of each chain."""
        return tuple(len(start) for start in self.starts)

    @property
    def joint_start(self) -> Float64[np.ndarray, " joint"]:
        """The distribution of the first joint state."""
        joint = np.ones(1)
        for start in self.starts:
            joint = np.kron(joint, start)
        return joint

    @property
    def joint_transition(self) -> Float64[np.ndarray, "joint joint"]:
        """The transition of joint states.

        Raises
        ------
        MemoryBudgetError
            If, with what is made of it, it would not fit into memory.
        """
        joint = np.ones((math.prod(self.sizes), 1))
        required, advice = 32 * len(joint) ** 2, "Give the chains fewer states."
        check_required("The joint transition", required, default_memory_budget(), advice)
        digits = np.unravel_index(np.arange(len(joint)), self.sizes)
        for table, digit in zip(self.transitions, digits, strict=True):
            rows = table if len(table) == len(joint) else table[digit]
            joint = (joint[:, :, None] * rows[:, None, :]).reshape(len(joint), -1)
        return joint

    def _log_prior(self, pseudo_counts: float) -> float:
        """What counts added to every possible start and transition are worth."""
        tables = (*self.starts, *self.transitions)
        return log_prior_of_counts(tables, pseudo_counts) + self.emission.log_prior()

    def ascent(
        self,
        log_likelihood: float,
        starts: Sequence[Float64[np.ndarray, " states"]],
        transitions: Sequence[Float64[np.ndarray, "before states"]],
        statistics: Statistics,
        pseudo_counts: float,
    ) -> Ascent[ParallelChains]:
        """Return an iteration of EM from the expected starts and transitions of every chain."""

        def learned(
            counts: Sequence[np.ndarray], tables: Sequence[np.ndarray]
        ) -> tuple[np.ndarray, ...]:
            pairs = zip(counts, tables, strict=True)
            return tuple(normalised(count, table, pseudo_counts) for count, table in pairs)

        following = ParallelChains(
            learned(starts, self.starts),
            learned(transitions, self.transitions),
            self.emission.updated(statistics),
        )
        return Ascent(log_likelihood, log_likelihood + self._log_prior(pseudo_counts), following)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all parameters by name, the emission's under ``emission/``."""
        return {
            **{f"start/{m}": table for m, table in enumerate(self.starts)},
            **{f"transition/{m}": table for m, table in enumerate(self.transitions)},
            **{f"emission/{n}": array for n, array in self.emission.parameters().items()},
        }

    def settings(self) -> dict[str, Any]:
        """Return kind and settings of the emission, as JSON values."""
        return {"kind": self.emission.kind, "settings": self.emission.settings()}

    def restored(self, arrays: Mapping[str, np.ndarray]) -> ParallelChains:
        """Return the parameters that arrays are, of an emission with the settings of this one."""
        return parallel_chains(self.settings(), arrays)


def parallel_chains(
    settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> ParallelChains:
    """Return the parameters that :meth:`ParallelChains.settings` and ``arrays`` describe."""
    inside = {n[9:]: a for n, a in arrays.items() if n.startswith("emission/")}
    chains = range(sum(name.startswith("start/") for name in arrays))
    return ParallelChains(
        tuple(arrays[f"start/{m}"] for m in chains),
        tuple(arrays[f"transition/{m}"] for m in chains),
        emission_class(settings["kind"]).restored(inside, settings["settings"]),
    )


def summed_by_chain(
    table: Float64[np.ndarray, "... joint"], sizes: Sequence[int]
) -> list[Float64[np.ndarray, "... states"]]:
    """Sum what belongs to joint states, along the last axis, to what belongs to each chain's."""
    ahead = table.ndim - 1
    whole = table.reshape(*table.shape[:-1], *sizes)
    axes = range(ahead, whole.ndim)
    return [whole.sum(axis=tuple(a for a in axes if a != own)) for own in axes]


def joint_labels(
    labels: Int64[np.ndarray, "steps chains"], sizes: Sequence[int]
) -> tuple[Int64[np.ndarray, " steps"], Bool[np.ndarray, "labels joint"]]:
    """Return the distinct labels of steps, -1 where a chain's is not known, by place.

    Besides which joint states each of them allows.
    """
    distinct, places = np.unique(labels, axis=0, return_inverse=True)
    states = np.indices(sizes).reshape(len(sizes), -1)
    here = distinct[:, :, None]
    return places.ravel(), ((here < 0) | (here == states)).all(1)


def read_chain_labels(
    labels: object, lengths: Sequence[int], chains: Mapping[str, int]
) -> Int64[np.ndarray, "steps chains"]:
    """Read the states that are known of each chain, by name; -1 where one is not.

    Raises
    ------
    EvidenceError, LearningError
        If they are no mapping of chains, or as :func:`read_labels`.
    """
    if not isinstance(labels, Mapping):
        raise LearningError(f"labels are a mapping of the chains ({', '.join(chains)}) to states")
    codes = np.full((sum(lengths), len(chains)), -1)
    for name, given in labels.items():
        check_choice("chain", name, chains, LearningError)
        states = read_labels(given, lengths, range(chains[name]))
        codes[:, list(chains).index(name)] = np.concatenate(states)
    return codes


def chain_tables(
    what: str,
    given: Mapping[str, object] | None,
    before: Sequence[np.ndarray] | None,
    like: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, ...]:
    """Return of each chain the distributions given, or those before, or equal ones.

    Raises
    ------
    LearningError
        If a chain is unknown, or as :func:`distribution`.
    """
    given = given or {}
    for name in given:
        check_choice("chain", name, like, LearningError)
    found = []
    for m, (name, shaped) in enumerate(like.items()):
        table: object = before[m] if before else np.full(shaped.shape, 1 / shaped.shape[-1])
        if name in given:
            array = np.asarray(given[name], np.float64)
            table = array.reshape(shaped.shape) if array.size == shaped.size else array
        found.append(distribution(table, shaped.shape, f"{what} of chain '{name}'"))
    return tuple(found)
