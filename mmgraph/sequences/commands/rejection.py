"""How sure a recognised command is, and from where on it is taken for one.

A path is held against the best state of each frame, whatever command that belongs to: the online
garbage model of Bourlard, D'hoore and Boite (1994, "Optimizing recognition and rejection
performance in wordspotting systems"). From such likelihood ratios a logistic regression (Platt
1999), learned on speakers that the model had not heard, makes the probability that the answer is
right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int32
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from mmgraph.graph.errors import LearningError
from mmgraph.sequences.commands.acoustic_model import AcousticModel
from mmgraph.sequences.commands.chain import Chain
from mmgraph.sequences.commands.features import Frames, are_loud
from mmgraph.sequences.commands.grammar import Grammar
from mmgraph.sequences.commands.word_models import Words

Evidence = Float64[np.ndarray, " ratios"]
EVIDENCE = 4
"""How many ratios :func:`path_evidence` has."""
_PRIOR_DEVIATION = 3.0
"""Of coefficients, in deviations of their ratios."""


def path_evidence(
    chain: Chain,
    path: Int32[np.ndarray, " frames"],
    densities: Float[np.ndarray, "frames states"],
    energies: Frames,
) -> Evidence:
    """Return what speaks for a path, all per frame that is loud.

    That is the log-likelihood ratio to the best states, on average and of the worst word; the share
    of frames that are pauses; and how much words are longer or shorter than their states last (mean
    absolute logarithm).
    """
    loud = are_loud(energies)
    ratios = densities[np.arange(len(path)), chain.emission[path]] - densities.max(1)
    worst, lengths = 0.0, []
    for one in chain.segments(path):
        inside = slice(one.first, one.end)
        if loud[inside].any():
            worst = min(worst, float(ratios[inside][loud[inside]].mean()))
        expected = (1.0 / -np.expm1(chain.stay[chain.arc == one.arc])).sum()
        lengths.append(abs(float(np.log((one.end - one.first) / expected))))
    paused = chain.arc[path][loud] < 0
    return np.array([ratios[loud].mean(), worst, paused.mean(), np.mean(lengths)])


@dataclass(frozen=True)
class Rejection:
    """A logistic regression on :func:`path_evidence`, and the least probability of a command.

    Attributes
    ----------
    weights, means, scales : array, shape (ratios,)
    intercept, threshold : float
    """

    weights: Evidence
    means: Evidence
    scales: Evidence
    intercept: float
    threshold: float

    @classmethod
    def learned(
        cls,
        evidence: Sequence[Evidence],
        right: Bool[np.ndarray, " answers"],
        false_rejection: float,
    ) -> Rejection:
        """Learn from answers, with right and wrong ones weighing the same.

        The threshold rejects ``false_rejection`` of the right answers; of zero it is zero.

        Raises
        ------
        LearningError
            If all are right, or none is.
        """
        if right.all() or not right.any():
            which = "wrong: give recordings that are no command" if right.any() else "right"
            raise LearningError(f"rejection cannot be learned: no answer is {which}")
        rows = np.stack(evidence)
        means, scales = rows.mean(0), np.maximum(rows.std(0), 1e-6)
        scaled = (rows - means) / scales
        signs = np.where(right, 1.0, -1.0)
        share = np.where(right, 0.5 / right.mean(), 0.5 / (~right).mean())

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            margins = signs * (scaled @ parameters[1:] + parameters[0])
            slopes = -share * signs * expit(-margins)
            prior = parameters / _PRIOR_DEVIATION**2
            value = -(share * log_expit(margins)).sum() + 0.5 * (parameters @ prior)
            return value, np.append(slopes.sum(), slopes @ scaled) + prior

        found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True).x
        made = cls(found[1:], means, scales, float(found[0]), 0.5)
        sure = np.array([made.confidence(one) for one in evidence])
        least = float(np.quantile(sure[right], false_rejection)) if false_rejection else 0.0
        return cls(found[1:], means, scales, float(found[0]), least)

    def confidence(self, evidence: Evidence) -> float:
        """Return the probability that an answer is right."""
        scaled = (evidence - self.means) / self.scales
        return float(expit(scaled @ self.weights + self.intercept))


def equal_error(
    confidences: Float64[np.ndarray, " answers"], right: Bool[np.ndarray, " answers"]
) -> float:
    """Return the share of errors of the threshold that rejects as many right as it admits wrong."""
    values = np.unique(confidences)
    thresholds = np.concatenate([values[:1], (values[:-1] + values[1:]) / 2, [np.inf]])
    missed = np.searchsorted(np.sort(confidences[right]), thresholds) / right.sum()
    wrong = np.sort(confidences[~right])
    admitted = 1 - np.searchsorted(wrong, thresholds) / len(wrong)
    best = int(np.abs(missed - admitted).argmin())
    return float((missed[best] + admitted[best]) / 2)


class Trials:
    """Answers of a model, with what speaks for them.

    Each command is heard twice: by its grammar, and by one that lacks an arc of it, where whatever
    is answered is wrong.
    """

    def __init__(
        self, model: AcousticModel, grammar: Grammar, generator: np.random.Generator
    ) -> None:
        self.model, self.grammar, self.generator = model, grammar, generator
        self.chain = model.chain(grammar.network)
        self.evidence: list[Evidence] = []
        self.right: list[bool] = []

    def hear(self, energies: Frames, words: Words) -> None:
        """Answer one recording of these words, which need not be a command."""
        densities = self.model.log_densities(energies)
        is_command = self.grammar.accepts(words)
        self._answer(self.chain, densities, energies, words if is_command else None)
        if is_command and len(self.grammar.network.arcs) > 1:
            lacking = int(self.generator.choice(self.grammar.path(words) or [0]))
            network = self.grammar.network.without(lacking)
            self._answer(self.model.chain(network), densities, energies, None)

    def rejection(self, false_rejection: float) -> Rejection:
        """Return what the answers teach; see :meth:`Rejection.learned`."""
        return Rejection.learned(self.evidence, np.array(self.right), false_rejection)

    def _answer(
        self, chain: Chain, densities: np.ndarray, energies: Frames, words: Words | None
    ) -> None:
        path, _ = chain.best_path(densities)
        if len(path):
            self.evidence.append(path_evidence(chain, path, densities, energies))
            answer = tuple(one.word for one in chain.segments(path))
            self.right.append(answer == words)
