"""Left-to-right hidden Markov models of words, learned from words and from commands made of them.

How many states a word has comes of its letters and of how long it takes, as least squares of the
lengths of all recordings tell. Learning begins flat, with recordings cut evenly, and alternates
between the best alignment of each recording with the chain of its words and new densities:
segmental k-means (Juang and Rabiner 1990, "The segmental K-means algorithm for estimating
parameters of hidden Markov models"). So a word is learned wherever it occurs, without anyone saying
where it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import nnls

from mmgraph.graph.errors import LearningError
from mmgraph.learning.dynamic.emissions.gaussian import GaussianEmission
from mmgraph.learning.dynamic.emissions.mixture import MixtureEmission
from mmgraph.sequences.commands.chain import PAUSE, Chain, WordNetwork, WordStates
from mmgraph.sequences.commands.features import MARGIN, Frames

Words = tuple[str, ...]
Alignment = Int64[np.ndarray, " frames"]
"""The emitting state of each frame of a recording."""

FILLER = "<other>"
"""The one word of a recording that is no command."""
_FRAMES_A_STATE = 2.5
_LEAST_STATES = 3
_PRIOR_SHARE = 0.25
"""What the length of a word by its letters weighs beside that of each recording."""
_SPLIT_PASSES = 3
"""Alignments after components were doubled."""


@dataclass
class WordModels:
    """The states of words and pauses, their densities, and the training recordings in states.

    Attributes
    ----------
    words : dict of str to WordStates
    emission : MixtureEmission
        Of cepstra.
    alignments : list of array
    """

    words: dict[str, WordStates]
    emission: MixtureEmission
    alignments: list[Alignment]

    @property
    def states(self) -> int:
        """How many emitting states there are in all."""
        return self.emission.states


def learned_words(
    rows: Sequence[Frames],
    transcripts: Sequence[Words],
    components: int = 1,
    passes: int = 8,
) -> WordModels:
    """Learn the models of all words from recordings as :func:`features.cepstra`.

    Parameters
    ----------
    rows : sequence of array, shape (frames, features)
    transcripts : sequence of tuple of str
        The words of each recording, at least one.
    components : int
        Of the mixture of each state, a power of two.
    passes : int
        Alignments with one component.

    Raises
    ------
    LearningError
        If components are no power of two, or all recordings are too short for their words.
    """
    if components < 1 or components & (components - 1):
        raise LearningError(f"components of a mixture are a power of two, not {components}")
    counts = _state_counts([len(one) for one in rows], transcripts)
    ends = dict(zip(counts, np.cumsum([*counts.values()]), strict=True))
    places = {w: np.arange(ends[w] - n, ends[w], dtype=np.int32) for w, n in counts.items()}
    states = int(sum(counts.values()))
    alignments = [
        _cut_evenly(len(one), np.concatenate([places[w] for w in words]), places[PAUSE][0])
        for one, words in zip(rows, transcripts, strict=True)
    ]
    emission = _wide(rows, states)
    chains = {words: WordNetwork.of_sentence(words) for words in set(transcripts)}
    reached = 1
    while True:
        for _ in range(passes):
            emission = _updated(emission, rows, alignments)
            stay = _stay(alignments, states)
            words = {w: WordStates(at, stay[at]) for w, at in places.items()}
            compiled = {t: Chain.compiled(net, words) for t, net in chains.items()}
            alignments = [
                aligned(compiled[t], emission.log_densities(one.astype(np.float64)))
                for one, t in zip(rows, transcripts, strict=True)
            ]
            if not any(map(len, alignments)):
                raise LearningError("every recording is too short for its words")
        if reached == components:
            return WordModels(words, emission, alignments)
        emission, reached, passes = _doubled(emission), 2 * reached, _SPLIT_PASSES


def aligned(chain: Chain, densities: Float64[np.ndarray, "frames states"]) -> Alignment:
    """Return the emitting states of the best path; none where frames do not suffice."""
    path, _ = chain.best_path(densities)
    return chain.emission[path].astype(np.int64)


def _state_counts(lengths: Sequence[int], transcripts: Sequence[Words]) -> dict[str, int]:
    """How many states each word has: in proportion to the frames that it takes."""
    names = sorted({word for words in transcripts for word in words} - {FILLER})
    times = np.array([[words.count(name) for name in names] for words in transcripts], float)
    spoken = times.sum(1) > 0
    if not spoken.any():
        raise LearningError("no recording has words of the grammar")
    times, frames = times[spoken], np.array(lengths, float)[spoken]
    # Words that occur together share what they take as their letters say.
    letters = np.array([len(name) for name in names])
    expected = letters * frames.sum() / (times @ letters).sum()
    weights = np.sqrt(_PRIOR_SHARE * times.sum(0))
    design = np.vstack([times, np.diag(weights)])
    frames, _ = nnls(design, np.append(frames, weights * expected))
    sizes = np.maximum(np.rint(frames / _FRAMES_A_STATE), _LEAST_STATES).astype(int)
    return {PAUSE: 1, FILLER: 1, **dict(zip(names, map(int, sizes), strict=True))}


def _cut_evenly(frames: int, states: np.ndarray, pause: int) -> Alignment:
    beside = min(MARGIN, frames // 4)
    spoken = frames - 2 * beside
    alignment = np.full(frames, pause, np.int64)
    alignment[beside : frames - beside] = states[np.arange(spoken) * len(states) // spoken]
    return alignment


def _wide(rows: Sequence[Frames], states: int) -> MixtureEmission:
    everything = np.concatenate(rows).astype(np.float64)
    means, spread = everything.mean(0), np.maximum(everything.var(0), 1e-6)
    copies = np.tile(means, (states, 1)), np.tile(spread, (states, 1))
    single = GaussianEmission(*copies, "diagonal", 0.05 * spread)
    return MixtureEmission(np.ones((states, 1)), single)


def _updated(
    emission: MixtureEmission,
    rows: Sequence[Frames],
    alignments: Sequence[Alignment],
) -> MixtureEmission:
    sums: dict[str, np.ndarray] = {}
    for one, alignment in zip(rows, alignments, strict=True):
        if not len(alignment):
            continue
        weights = np.zeros((len(one), emission.states))
        weights[np.arange(len(one)), alignment] = 1.0
        for name, part in emission.statistics(one.astype(np.float64), weights).items():
            sums[name] = sums.get(name, 0.0) + part
    return emission.updated(sums)


def _doubled(emission: MixtureEmission) -> MixtureEmission:
    """A mixture whose components are moved to either side of those before."""
    weights, single = emission.weights, emission.components
    moved = 0.2 * np.sqrt(single.covariances)
    means = np.stack([single.means - moved, single.means + moved], 1).reshape(-1, single.features)
    both = GaussianEmission(means, np.repeat(single.covariances, 2, 0), "diagonal", single.floor)
    return MixtureEmission(np.repeat(weights, 2, 1) / 2, both)


def _stay(alignments: Sequence[Alignment], states: int) -> Float64[np.ndarray, " states"]:
    """The probability of staying in each state, from how long states last; one visit is a prior."""
    frames, visits = np.full(states, _FRAMES_A_STATE), np.ones(states)
    for one in alignments:
        frames += np.bincount(one, minlength=states)
        begins = one[np.flatnonzero(np.diff(one, prepend=-1))]
        visits += np.bincount(begins, minlength=states)
    return np.clip(1.0 - visits / frames, 0.05, 0.97)
