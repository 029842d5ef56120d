"""Factorial hidden Markov models: independent chains that explain every row together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from mmgraph.inference.mean_field.factorial_chains import FactoredPosterior, factorial_mean_field
from mmgraph.learning.dynamic.climbing import Ascent
from mmgraph.learning.dynamic.emissions.additive_gaussian import AdditiveGaussianEmission
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics, add_statistics
from mmgraph.learning.dynamic.hidden_chain import HiddenChain
from mmgraph.learning.dynamic.parallel_chains import ParallelChains, joint_labels, summed_by_chain
from mmgraph.learning.dynamic.sequences import SequenceRows, read_sequences
from mmgraph.networks.dynamic.filters.factored_filter import FactoredFilter
from mmgraph.networks.dynamic.filters.joint_filter import JointFilter
from mmgraph.networks.dynamic.parallel_chain_model import (
    Decoded,
    Labels,
    ParallelChainModel,
    Smoothed,
)

INFERENCES = ("auto", "exact", "mean field")
MOST_JOINT_STATES = 1024
"""Up to which ``auto`` answers exactly."""


class FactorialHiddenMarkovModel(ParallelChainModel):
    """Hidden chains that move independently; a row's mean is the sum of their contributions.

    Sequences are arrays of shape ``(length, features)`` or lists of them; NaN is missing.

    Parameters
    ----------
    states : sequence of int, or mapping of str to int
        The states of each chain; without names they are ``chain0``, ``chain1``, ….
    emission : "gaussian"
        A normal density with one covariance.
    covariance : {"full", "diagonal"}
    inference : {"auto", "exact", "mean field"}
        Exact on the joint states, chain by chain, or structured mean field, whose log-likelihoods
        are lower bounds; ``auto`` is exact up to 1,024 joint states. :attr:`method` and
        :attr:`exact` say which it is.
    floor : float
        The least variance that is learned, as a part of that of all rows.
    pseudo_counts : float
        Added to the counts of starts and transitions that are possible (MAP).
    random_state : int or None
        The seed of first values and draws. EM finds nearby optima: give ``fit`` restarts.

    References
    ----------
    Ghahramani and Jordan (1997), "Factorial hidden Markov models".
    """

    def __init__(
        self,
        states: Sequence[int] | Mapping[str, int],
        emission: str = "gaussian",
        covariance: str = "full",
        inference: str = "auto",
        floor: float = 1e-3,
        pseudo_counts: float = 0.0,
        random_state: int | None = 0,
    ) -> None:
        check_choice("emission", emission, ("gaussian",), LearningError)
        check_choice("inference", inference, INFERENCES, LearningError)
        self.states, self.emission, self.covariance = states, emission, covariance
        self.inference, self.floor = inference, floor
        self.pseudo_counts, self.random_state = pseudo_counts, random_state
        if isinstance(states, Sequence | np.ndarray):
            states = {f"chain{m}": count for m, count in enumerate(states)}
        self._declare(states)

    @property
    def exact(self) -> bool:
        """Whether answers are exact up to rounding."""
        few = self.joint_states <= MOST_JOINT_STATES
        return few if self.inference == "auto" else self.inference == "exact"

    @property
    def method(self) -> str:
        """What answers: by name."""
        return "chain by chain" if self.exact else "structured mean field"

    def _steady(self) -> list[np.ndarray]:
        return [np.eye(states) for states in self.sizes]

    def _at_floor(self) -> list[str]:
        return ["the rows"] if self.parameters.emission.floored_states() else []

    def _joint(self, parameters: ParallelChains) -> FactorialChain:
        return FactorialChain(parameters.joint_start, parameters.transitions)

    def _read_rows(self, sequences: object, emission: Emission | None) -> SequenceRows:
        return read_sequences(sequences, None if emission is None else emission.features)

    def _initial_emission(
        self, sequences: Any, read: SequenceRows, generator: np.random.Generator, labels: Labels
    ) -> AdditiveGaussianEmission:
        return AdditiveGaussianEmission.initial(
            np.concatenate(read.parts), self.sizes, generator, self.covariance, self.floor
        )

    def _made_emission(self, arrays: Mapping[str, Any]) -> AdditiveGaussianEmission | None:
        """Arrays are ``contributions``, a mapping of chain to array, and ``covariance_matrix``."""
        if not arrays:
            return None
        given = dict(arrays)
        for name in ("contributions", "covariance_matrix"):
            if name not in given:
                raise LearningError(f"{', '.join(given)} without {name} do not make an emission")
        tables = given.pop("contributions")
        lacking = [name for name in self.chains if name not in tables]
        if lacking:
            raise LearningError(f"chain '{lacking[0]}' has no contributions")
        ordered = [tables[name] for name in self.chains]
        given.setdefault("floor", self.floor * np.diag(given["covariance_matrix"]))
        return AdditiveGaussianEmission(ordered, covariance=self.covariance, **given)

    def _approximate(
        self,
        parameters: ParallelChains,
        part: np.ndarray,
        marginals: Sequence[np.ndarray] | None = None,
    ) -> FactoredPosterior:
        rows = _additive(parameters).additive_rows(part)
        return factorial_mean_field(_apart(parameters), rows, marginals)

    def _smoothed(self, rows: list[np.ndarray]) -> Iterator[Smoothed]:
        parameters = self.parameters
        joint = self._joint(parameters) if self.exact else None
        for number, part in enumerate(rows):
            if joint is None:
                found = self._approximate(parameters, part)
                yield found.marginals, found.bounds[-1]
                continue
            densities = parameters.emission.log_densities(part)
            probabilities, _, total = joint.smoothed(densities, f"sequence {number}")
            yield summed_by_chain(probabilities, self.sizes), total

    def _decoded(self, rows: list[np.ndarray]) -> Iterator[Decoded]:
        parameters = self.parameters
        joint = self._joint(parameters) if self.exact else None
        for number, part in enumerate(rows):
            name = f"sequence {number}"
            if joint is not None:
                path, weight = joint.decoded(parameters.emission.log_densities(part), name)
                yield np.unravel_index(path, self.sizes), weight
                continue
            fields = self._approximate(parameters, part).fields
            found = [
                chain.decoded(field, name)
                for chain, field in zip(_apart(parameters), fields, strict=True)
            ]
            paths = [path for path, _ in found]
            # What the fields say of the paths makes way for what the rows do.
            weight = _additive(parameters).path_density(part, paths)
            for (path, total), field in zip(found, fields, strict=True):
                weight += total - float(field[np.arange(len(path)), path].sum())
            yield paths, weight

    def _drawn(
        self, rows: list[np.ndarray], count: int, generator: np.random.Generator
    ) -> Iterator[Sequence[np.ndarray]]:
        parameters = self.parameters
        for number, part in enumerate(rows):
            name = f"sequence {number}"
            if self.exact:
                densities = parameters.emission.log_densities(part)
                paths = self._joint(parameters).sample_paths(densities, count, generator, name)
                yield np.unravel_index(paths, self.sizes)
                continue
            fields = self._approximate(parameters, part).fields
            chains = zip(_apart(parameters), fields, strict=True)
            yield [chain.sample_paths(field, count, generator, name) for chain, field in chains]

    def _ascent(
        self, rows: list[np.ndarray], labels: Labels
    ) -> Callable[[ParallelChains], Ascent[ParallelChains]]:
        if labels is not None and not self.exact:
            raise LearningError(f"{self.method} takes no labels; inference='exact' does")
        own, allowed = [], np.ones((1, 1), bool)
        if labels is not None:
            places, allowed = joint_labels(labels, self.sizes)
            own = np.split(places, np.cumsum([len(part) for part in rows])[:-1])
        # Mean field goes on from where it was, so that the bound does not fall between iterations.
        before: dict[int, list[np.ndarray]] = {}

        def ascend(parameters: ParallelChains) -> Ascent[ParallelChains]:
            starts = [np.zeros(k) for k in self.sizes]
            moves = [np.zeros((k, k)) for k in self.sizes]
            total, emission, summed = 0.0, _additive(parameters), Statistics()
            joint = self._joint(parameters) if self.exact else None
            for number, part in enumerate(rows):
                if joint is not None:
                    densities = emission.log_densities(part)
                    if own:
                        densities = np.where(allowed[own[number]], densities, -np.inf)
                    weights, counts, value = joint.smoothed(densities, f"sequence {number}")
                    marginals = summed_by_chain(weights, self.sizes)
                    statistics = emission.statistics(part, weights)
                else:
                    found = self._approximate(parameters, part, before.get(number))
                    before[number] = marginals = found.marginals
                    counts, value = tuple(found.transitions), found.bounds[-1]
                    statistics = emission.factored_statistics(part, marginals)
                total += value
                for m in range(len(starts)):
                    starts[m] += marginals[m][0]
                    moves[m] += counts[m]
                add_statistics(summed, statistics)
            return parameters.ascent(total, starts, moves, summed, self.pseudo_counts)

        return ascend

    def filter(self, lag: int = 0, state: Path | str | None = None) -> JointFilter | FactoredFilter:
        """Return a filter that takes rows one by one, perhaps from where ``state`` left off.

        Raises
        ------
        LearningError
            If a lag is asked of mean field.
        """
        parameters = self.parameters
        made: JointFilter | FactoredFilter
        if self.exact:
            joint = parameters.joint_start, parameters.joint_transition
            made = JointFilter(HiddenChain(*joint, parameters.emission), self.chains, lag)
        elif lag:
            raise LearningError("a filter by mean field has no lag")
        else:
            made = FactoredFilter(parameters, list(self.chains))
        return made if state is None else made.load(state)


def _additive(parameters: ParallelChains) -> AdditiveGaussianEmission:
    assert isinstance(parameters.emission, AdditiveGaussianEmission)
    return parameters.emission


def _apart(parameters: ParallelChains) -> list[FactorialChain]:
    tables = zip(parameters.starts, parameters.transitions, strict=True)
    return [FactorialChain(start, [table]) for start, table in tables]
