"""Words of a voice known by those of another: dynamic time warping of probabilities of phones.

Spectra of two people differ more than those of two words. Which phone is said carries over better:
Hazen, Shen and White (2009, "Query-by-example spoken term detection using phonetic posteriorgram
templates") compare the probabilities of phones, as a network tells them, frame by frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.inference.numerics.time_warping import STEP_PATTERNS, path_costs
from mmgraph.sequences.commands.audio import Samples, checked_samples
from mmgraph.sequences.commands.features import (
    MARGIN,
    WARPS,
    FeatureSettings,
    Frames,
    log_mel,
    loud_frames,
)
from mmgraph.sequences.commands.neural_emission import NeuralEmission

Posteriorgram = Float64[np.ndarray, "frames phones"]
Distances = Float64[np.ndarray, "templates queries"]

_TEMPERATURE = 2.0
"""Flattens probabilities, of which a network is too sure in voices that it never heard."""


class PhonePosteriors:
    """A network that says how probable each phone is in each frame of a voice.

    Attributes
    ----------
    phones : tuple of str
        The columns of posteriorgrams; silence is ``""``.
    settings : FeatureSettings
    emission : NeuralEmission
    """

    def __init__(
        self, phones: tuple[str, ...], settings: FeatureSettings, emission: NeuralEmission
    ) -> None:
        self.phones, self.settings, self.emission = phones, settings, emission

    @classmethod
    def learned(
        cls,
        recordings: Sequence[Samples],
        phones: Sequence[Sequence[tuple[float, str]]],
        rate: int,
        *,
        steps: int = 600,
        seed: int = 0,
    ) -> PhonePosteriors:
        """Learn from recordings whose phones are known, as those of a synthesiser.

        Parameters
        ----------
        recordings : sequence of array, shape (samples,)
        phones : sequence of sequence of (float, str)
            Of each recording, when each phone begins in seconds, in order, and its name.
        rate : int
            Samples a second.
        steps, seed : int
            Gradient steps; of what is random.

        Raises
        ------
        LearningError
            If there are no recordings, or not the phones of each.
        EvidenceError
            As :meth:`of_voice`.
        """
        if not 0 < len(recordings) == len(phones):
            raise LearningError(f"{len(recordings)} recordings, phones of {len(phones)}")
        settings = FeatureSettings(rate, hop=0.0125, window=0.03, lowest=150.0)
        names = ("", *sorted({name for one in phones for _, name in one} - {""}))
        spoken = _checked(recordings)
        views = [[_energies(one, settings, warp) for warp in WARPS] for one in spoken]
        targets = [
            _targets(len(view[0]), said, names, settings)
            for view, said in zip(views, phones, strict=True)
        ]
        emission = NeuralEmission.learned(views, targets, len(names), steps=steps, seed=seed)
        return cls(names, settings, emission)

    def of_voice(self, recordings: Sequence[Samples]) -> list[Posteriorgram]:
        """Return the posteriorgram of each recording of one voice and channel.

        The mean spectrum of all its recordings is taken from each, so that they matter together.

        Raises
        ------
        EvidenceError
            If a recording is empty, or has a sample that is not finite: which.
        """
        energies = [_energies(one, self.settings) for one in _checked(recordings)]
        loud = [loud_frames(one) for one in energies]
        spectrum = np.mean([one.mean(0) - one.mean() for one in loud], axis=0)
        grams = []
        for frames, speech in zip(energies, loud, strict=True):
            logs = self.emission.log_posteriors(frames, spectrum + speech.mean()) / _TEMPERATURE
            weights = np.exp(logs - logs.max(1, keepdims=True))
            grams.append(weights / weights.sum(1, keepdims=True))
        return grams


def warping_distances(
    templates: Sequence[Posteriorgram], queries: Sequence[Posteriorgram]
) -> Distances:
    """Return the mean squared Hellinger distance along the best path, of each pair.

    A step of both sides counts twice (``"symmetric2"``), so that paths through equally many frames
    have equal weight.
    """
    pattern = STEP_PATTERNS["symmetric2"]
    left, right = [np.sqrt(one) for one in templates], [np.sqrt(one).T for one in queries]
    return np.array(
        [
            [path_costs(1.0 - a @ b, pattern, 0.0)[-1, -1] / (len(a) + b.shape[1]) for b in right]
            for a in left
        ]
    )


def without_hubs(distances: Distances, neighbours: int = 3) -> Distances:
    """Return distances less the mean of the least few of each template, over all queries.

    Some templates are near to everything, and would be the answer to too many queries: Conneau et
    al. (2018, "Word translation without parallel data"). It is known which queries there are, but
    not which words they are; with a single query nothing is to be learned of hubs.
    """
    nearest = np.sort(distances, axis=1)[:, :neighbours]
    corrected: Distances = distances - nearest.mean(1, keepdims=True)
    return corrected


def _checked(recordings: Sequence[Samples]) -> list[Samples]:
    found = [checked_samples(one, f"recording {i}") for i, one in enumerate(recordings)]
    for number, samples in enumerate(found):
        if not len(samples):
            raise EvidenceError(f"recording {number} is empty")
    return found


def _energies(samples: Samples, settings: FeatureSettings, warp: float = 1.0) -> Frames:
    """Log mel energies of a recording and a little silence beside it."""
    beside = MARGIN * settings.step
    padded = np.pad(samples - samples.mean(), (beside, beside + settings.width))
    return log_mel(padded, settings, warp)


def _targets(
    frames: int,
    phones: Sequence[tuple[float, str]],
    names: tuple[str, ...],
    settings: FeatureSettings,
) -> Float[np.ndarray, " frames"]:
    """The phone in the middle of each frame."""
    middle = (np.arange(frames) - MARGIN) * settings.step / settings.rate + settings.window / 2
    begins = np.array([0.0, *(begin for begin, _ in phones)])
    numbers = np.array([0, *(names.index(name) for _, name in phones)])
    found: np.ndarray = numbers[np.maximum(np.searchsorted(begins, middle, side="right") - 1, 0)]
    return found
