"""Coupled hidden Markov models: a chain a modality, each of which looks at all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.learning.dynamic.climbing import Ascent
from mmgraph.learning.dynamic.emissions.chain_part import ChainPartEmission
from mmgraph.learning.dynamic.emissions.choice import EmissionChoice
from mmgraph.learning.dynamic.emissions.emission import Emission
from mmgraph.learning.dynamic.emissions.modalities import ModalityEmission
from mmgraph.learning.dynamic.hidden_chain import HiddenChain
from mmgraph.learning.dynamic.parallel_chains import ParallelChains, joint_labels, summed_by_chain
from mmgraph.learning.dynamic.sequences import SequenceRows
from mmgraph.networks.dynamic.filters.joint_filter import JointFilter
from mmgraph.networks.dynamic.parallel_chain_model import (
    Decoded,
    Labels,
    ParallelChainModel,
    Smoothed,
)


class CoupledHiddenMarkovModel(ParallelChainModel):
    """A hidden chain a modality; a chain's next state depends on the states of all chains.

    Sequences are a mapping of modality to an array of shape ``(length, features)`` or to a list of
    them, of any lengths; NaN is missing, and so is a modality that is None, in one sequence or all.
    Answers are exact, on the joint states.

    Parameters
    ----------
    states : mapping of str to int
        The states of each modality's chain.
    emission : str, or mapping of modality to str or Emission
        As of :class:`~mmgraph.networks.dynamic.hidden_markov_model.HiddenMarkovModel`.
    covariance, components, order, floor, pseudo_counts, random_state
        As there.

    References
    ----------
    Brand, Oliver and Pentland (1997), "Coupled hidden Markov models for complex action
    recognition"; the transition tables here are full, over the states of all chains.
    """

    def __init__(
        self,
        states: Mapping[str, int],
        emission: str | Mapping[str, str | Emission] = "gaussian",
        covariance: str = "diagonal",
        components: int = 2,
        order: int = 1,
        floor: float = 1e-3,
        pseudo_counts: float = 0.0,
        random_state: int | None = 0,
    ) -> None:
        self.states, self.emission, self.covariance = states, emission, covariance
        self.components, self.order, self.floor = components, order, floor
        self.pseudo_counts, self.random_state = pseudo_counts, random_state
        self._declare(states)
        kinds = emission if isinstance(emission, Mapping) else dict.fromkeys(self.chains, emission)
        for name in (*kinds, *self.chains):
            if name not in self.chains or name not in kinds:
                others = kinds if name in self.chains else self.chains
                hint = suggestion(name, others)
                raise LearningError(f"modality {name!r} has states or an emission, not both{hint}")
        self._choice = EmissionChoice(
            {n: kinds[n] for n in self.chains}, covariance, components, order, floor, pseudo_counts
        )

    @property
    def method(self) -> str:
        """What answers: by name."""
        return "joint chain"

    def _steady(self) -> list[np.ndarray]:
        digits = np.indices(self.sizes).reshape(len(self.sizes), -1)
        return [np.eye(k)[digit] for k, digit in zip(self.sizes, digits, strict=True)]

    def _at_floor(self) -> list[str]:
        parts = self.parameters.emission.parts.items()  # type: ignore[attr-defined]
        return [f"state {k} of '{name}'" for name, part in parts for k in part.floored_states()]

    def _lifted(self, parts: Mapping[str, Emission]) -> ModalityEmission:
        return ModalityEmission(
            {n: ChainPartEmission(parts[n], self.sizes, m) for m, n in enumerate(self.chains)}
        )

    def _read_rows(self, sequences: object, emission: Emission | None) -> SequenceRows:
        return self._choice.read(sequences, emission)

    def _choices(self) -> Iterator[tuple[str, int, EmissionChoice]]:
        for (name, kind), states in zip(self._choice.kinds.items(), self.sizes, strict=True):
            yield name, states, dataclasses.replace(self._choice, spec=kind)

    def _initial_emission(
        self, sequences: Any, read: SequenceRows, generator: np.random.Generator, labels: Labels
    ) -> ModalityEmission:
        widths = [width or 0 for width in self._choice.widths(sequences, None).values()]
        split = [np.split(part, np.cumsum(widths)[:-1], axis=1) for part in read.parts]
        made = {}
        for m, (name, states, choice) in enumerate(self._choices()):
            own = SequenceRows([parts[m] for parts in split], False)
            codes = None if labels is None else labels[:, m]
            made[name] = choice.first(own.parts, own, states, generator, codes)
        return self._lifted(made)

    def _made_emission(self, arrays: Mapping[str, Any]) -> Emission | None:
        """Arrays are mappings of modality to what its emission's class takes: ``means``, …."""
        made: dict[str, Emission] = {}
        for name, states, choice in self._choices() if arrays else ():
            own = {n: np.asarray(given[name]) for n, given in arrays.items() if name in given}
            kind = self._choice.kinds[name]
            found = choice.made(own, states) if isinstance(kind, str) else kind
            if found is None:
                raise LearningError(f"none of {', '.join(arrays)} is of modality '{name}'")
            made[name] = found
        return self._lifted(made) if made else None

    def _joint(self, parameters: ParallelChains) -> HiddenChain:
        joint = parameters.joint_start, parameters.joint_transition
        return HiddenChain(*joint, parameters.emission)

    def _smoothed(self, rows: list[np.ndarray]) -> Iterator[Smoothed]:
        hidden = self._joint(self.parameters)
        for part in rows:
            marginals, (total,) = hidden.chain.marginals(hidden.densities(part, None), [len(part)])
            yield summed_by_chain(marginals, self.sizes), float(total)

    def log_likelihood(self, sequences: object) -> Any:
        """Return log P of each sequence, ``(sequences,)``; ``-inf`` of impossible ones."""
        read, rows = self._prepared(sequences)
        hidden = self._joint(self.parameters)
        densities = hidden.densities(np.concatenate(rows), None)
        totals = hidden.chain.log_likelihoods(densities, read.lengths)
        return float(totals[0]) if read.single else totals

    def _decoded(self, rows: list[np.ndarray]) -> Iterator[Decoded]:
        hidden = self._joint(self.parameters)
        for part in rows:
            path, (weight,) = hidden.chain.best_paths(hidden.densities(part, None), [len(part)])
            yield np.unravel_index(path, self.sizes), float(weight)

    def _drawn(
        self, rows: list[np.ndarray], count: int, generator: np.random.Generator
    ) -> Iterator[Sequence[np.ndarray]]:
        hidden = self._joint(self.parameters)
        for part in rows:
            densities = hidden.densities(part, None)
            (paths,) = hidden.chain.sample_paths(densities, [len(part)], count, generator)
            yield np.unravel_index(paths, self.sizes)

    def _emission_kinds(self) -> dict[str, str]:
        return {n: k if isinstance(k, str) else k.kind for n, k in self._choice.kinds.items()}

    def modality_names(self) -> tuple[str, ...]:
        """As :meth:`SequenceModel.modality_names`."""
        return tuple(self.chains)

    def _ascent(
        self, rows: list[np.ndarray], labels: Labels
    ) -> Callable[[ParallelChains], Ascent[ParallelChains]]:
        whole, lengths = np.concatenate(rows), [len(part) for part in rows]
        known = (None, None) if labels is None else joint_labels(labels, self.sizes)

        def ascend(parameters: ParallelChains) -> Ascent[ParallelChains]:
            counts, statistics = self._joint(parameters).expected(whole, lengths, *known)
            starts, moves = (
                summed_by_chain(table, self.sizes) for table in (counts.start, counts.transitions)
            )
            total = float(counts.log_likelihoods.sum())
            return parameters.ascent(total, starts, moves, statistics, self.pseudo_counts)

        return ascend

    def filter(self, lag: int = 0, state: Path | str | None = None) -> JointFilter:
        """Return a filter that takes rows one by one, perhaps from where ``state`` left off."""
        made = JointFilter(self._joint(self.parameters), self.chains, lag)
        return made if state is None else made.load(state)

    def _given(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        parts = self.parameters.emission.parts  # type: ignore[attr-defined]
        ends = np.cumsum([part.features for part in parts.values()])[:-1]
        return dict(zip(parts, np.split(rows, ends, axis=1), strict=True))
