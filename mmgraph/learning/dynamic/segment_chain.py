"""A chain of segments and what their states emit, learned from sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.inference.exact.chain.durations_chain import DurationChain
from mmgraph.inference.exact.chain.pieces import LogDensities
from mmgraph.learning.dynamic.climbing import Ascent
from mmgraph.learning.dynamic.durations import Durations
from mmgraph.learning.dynamic.emissions.emission import Emission, Statistics, add_statistics
from mmgraph.learning.dynamic.emissions.named import emission_class
from mmgraph.learning.dynamic.hidden_chain import HiddenChain, log_prior_of_counts, normalised


class SegmentChain(NamedTuple):
    """The parameters of a hidden semi-Markov model.

    Attributes
    ----------
    start : ndarray, shape (states,)
    transition : ndarray, shape (states, states)
        Of one segment to the next.
    emission : Emission
    durations : Durations
    left_censored, right_censored : bool
        See :class:`~mmgraph.inference.exact.chain.durations_chain.DurationChain`.
    """

    start: Float64[np.ndarray, " states"]
    transition: Float64[np.ndarray, "states states"]
    emission: Emission
    durations: Durations
    left_censored: bool = False
    right_censored: bool = True

    @property
    def chain(self) -> DurationChain:
        """What answers questions about states."""
        made = self.durations
        return DurationChain(
            self.start,
            self.transition,
            made.table,
            made.tail,
            made.stay,
            made.longest,
            left_censored=self.left_censored,
            right_censored=self.right_censored,
        )

    def densities(
        self,
        rows: Float64[np.ndarray, "steps prepared"],
        labels: Int64[np.ndarray, " steps"] | None,
    ) -> LogDensities:
        """As :meth:`HiddenChain.densities`."""
        return HiddenChain(self.start, self.transition, self.emission).densities(rows, labels)

    def ascend(
        self,
        rows: Float64[np.ndarray, "steps prepared"],
        lengths: Sequence[int],
        labels: Int64[np.ndarray, " steps"] | None,
        pseudo_counts: float,
    ) -> Ascent[SegmentChain]:
        """Return an iteration of expectation maximisation; see :meth:`HiddenChain.ascend`.

        The durations of first segments that may have begun earlier are not counted; where what is
        learned from the others makes the objective fall, durations move less, or stay.
        """
        statistics: Statistics = {}

        def visit(part: slice, marginals: Float64[np.ndarray, "steps states"]) -> None:
            add_statistics(statistics, self.emission.statistics(rows[part], marginals))

        totals, start, counts = self.chain.smooth(self.densities(rows, labels), lengths, visit)
        log_likelihood = float(totals.sum())
        objective = log_likelihood + self._log_prior(pseudo_counts)
        following = self._replace(
            start=normalised(start, self.start, pseudo_counts),
            transition=normalised(counts.transitions, self.transition, pseudo_counts),
            emission=self.emission.updated(statistics),
            durations=self.durations.updated(counts),
        )
        learned = following.durations
        for share in (1.0, 0.5, 0.1, 0.0) if self.left_censored else ():
            moved = self.durations.moved_towards(learned, share)
            following = following._replace(durations=moved)
            found = following.chain.log_likelihoods(following.densities(rows, labels), lengths)
            if found.sum() + following._log_prior(pseudo_counts) >= objective:
                break
        return Ascent(log_likelihood, objective, following)

    def _log_prior(self, pseudo_counts: float) -> float:
        prior = self.emission.log_prior() + self.durations.log_prior()
        return prior + log_prior_of_counts((self.start, self.transition), pseudo_counts)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all parameters by name, those of its parts under ``durations/``, ``emission/``."""
        inside = {f"durations/{n}": a for n, a in self.durations.parameters().items()}
        return HiddenChain(self.start, self.transition, self.emission).arrays() | inside

    def settings(self) -> dict[str, Any]:
        """Return what else the parameters are made of, as JSON values."""
        return {
            "emission": [self.emission.kind, self.emission.settings()],
            "durations": self.durations.settings(),
            "left_censored": self.left_censored,
            "right_censored": self.right_censored,
        }

    def restored(self, arrays: Mapping[str, np.ndarray]) -> SegmentChain:
        """Return the parameters that arrays are, with the settings of these."""
        return segment_chain(self.settings(), arrays)


def segment_chain(settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SegmentChain:
    """Return what :meth:`SegmentChain.settings` and :meth:`SegmentChain.arrays` describe."""
    parts: dict[str, dict[str, np.ndarray]] = {"durations": {}, "emission": {}}
    for name, array in arrays.items():
        part, slash, key = name.partition("/")
        if slash:
            parts[part][key] = array
    kind, inner = settings["emission"]
    emission = emission_class(kind).restored(parts["emission"], inner)
    return SegmentChain(
        *HiddenChain.checked(arrays["start"], arrays["transition"], emission),
        Durations.restored(parts["durations"], settings["durations"]).checked(emission.states),
        settings["left_censored"],
        settings["right_censored"],
    )
