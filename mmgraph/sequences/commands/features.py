"""What a recogniser hears: mel energies and cepstra, normalised for voice, loudness and channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float32
from scipy.fft import dct
from scipy.ndimage import median_filter

from mmgraph.graph.errors import MmgraphError, needs
from mmgraph.sequences.commands.audio import Samples

Frames = Float32[np.ndarray, "frames features"]

DECIBEL = math.log(10.0) / 10.0
_LOUD, _QUIETEST = 28 * DECIBEL, 60 * DECIBEL
WARPS = (1.0, 0.8, 0.88, 0.94, 1.06, 1.13, 1.25)
"""Lengths of vocal tracts from which a neural emission hears each recording of its training."""
MARGIN = 4
"""Frames that stay before and after what is loud."""
_PRIOR_FRAMES = 40


@dataclass(frozen=True)
class FeatureSettings:
    """How frames are made.

    Attributes
    ----------
    rate : int
        Samples a second; what lies above half of it is not heard.
    hop, window : float
        Seconds from frame to frame, and of each frame.
    bands : int
        Mel bands from ``lowest`` Hz to just below half the rate.
    cepstra : int
        Cepstral coefficients (of which the first is the loudness).
    """

    rate: int = 8000
    hop: float = 0.016
    window: float = 0.032
    bands: int = 32
    lowest: float = 80.0
    cepstra: int = 13

    def __post_init__(self) -> None:
        if self.rate < 4000 or not 0 < self.hop <= self.window or self.bands < self.cepstra:
            raise MmgraphError(
                f"features need a rate of at least 4000 Hz, a window no shorter than the hop and "
                f"no more cepstra than bands, not {self}"
            )

    @property
    def step(self) -> int:
        """Samples from frame to frame."""
        return round(self.hop * self.rate)

    @property
    def width(self) -> int:
        """Samples of a frame."""
        return round(self.window * self.rate)


@cache
def mel_bank(settings: FeatureSettings, warp: float = 1.0) -> Float32[np.ndarray, "bands bins"]:
    """Return the mel filters, of frequencies times ``warp``: a vocal tract of another length.

    The warp is that of Jaitly and Hinton (2013, "Vocal tract length perturbation (VTLP) improves
    speech recognition"), linear up to 4/5 of the upper end and from there to the end.
    """
    with needs("audio", "librosa", "features of speech"):
        import librosa
    size = _transform_size(settings)
    top = 0.5 * settings.rate
    bank = librosa.filters.mel(
        sr=settings.rate,
        n_fft=size,
        n_mels=settings.bands,
        fmin=settings.lowest,
        fmax=0.96 * top,
    )
    if warp == 1.0:
        return bank
    bins = np.linspace(0.0, top, bank.shape[1])
    knee = 0.8 * top * min(1.0, 1.0 / warp)
    warped = np.interp(bins, [0.0, knee, top], [0.0, warp * knee, top])
    rows = np.stack([np.interp(warped, bins, row) for row in bank])
    return rows.astype(np.float32)


def log_mel(samples: Samples, settings: FeatureSettings, warp: float = 1.0) -> Frames:
    """Return logarithms of mel energies of frames of samples, pre-emphasised, not normalised."""
    size, width = _transform_size(settings), settings.width
    emphasised = np.append(samples[:1], samples[1:] - 0.97 * samples[:-1])
    padded = np.pad(emphasised, (0, max(0, width - len(emphasised))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[:: settings.step]
    power = np.abs(np.fft.rfft(frames * np.hanning(width).astype(np.float32), size)) ** 2
    energies = power.astype(np.float32) @ mel_bank(settings, warp).T
    return np.log(np.maximum(energies, 1e-10)).astype(np.float32)


def _transform_size(settings: FeatureSettings) -> int:
    return 1 << (settings.width - 1).bit_length()


def speech_frames(
    samples: Samples, settings: FeatureSettings, warps: tuple[float, ...] = (1.0,)
) -> tuple[list[Frames], int]:
    """Return log mel energies from the first to the last loud frame, for each warp, and the first.

    Loud is what lies less than 28 dB below the loudest band and frame, in medians of five frames.
    Four frames beside stay, for which silence stands where the recording has none.
    """
    beside = MARGIN * settings.step
    padded = np.pad(samples, (beside, beside + settings.width))
    views = [log_mel(padded, settings, warp) for warp in warps]
    loud = np.flatnonzero(are_loud(views[0]))
    first, end = max(loud[0] - MARGIN, 0), loud[-1] + 1 + MARGIN
    return [view[first:end] for view in views], int(first) - MARGIN


def are_loud(energies: Frames) -> Bool[np.ndarray, " frames"]:
    """Return which frames of log energies are loud, and so may be speech; a click is not."""
    loudest = median_filter(energies.max(1), 5, mode="nearest")
    loud: np.ndarray = loudest > loudest.max() - _LOUD
    return loud


def loud_frames(energies: Frames) -> Frames:
    """Return the frames that are loud: of speech, whose mean is the voice's and channel's."""
    return energies[are_loud(energies)]


def band_means(
    energies: Frames, spectrum: Float32[np.ndarray, " bands"]
) -> Float32[np.ndarray, " bands"]:
    """Return the means of log energies in speech, of a voice and channel: their MAP estimate.

    Of a short word the mean is that of its sounds; it is drawn to the mean ``spectrum`` of speech
    (whose level counts for nothing), which weighs as much as :data:`_PRIOR_FRAMES` frames.
    """
    loud = loud_frames(energies)
    prior = spectrum - spectrum.mean() + loud.mean()
    return (loud.sum(0) + _PRIOR_FRAMES * prior) / np.float32(len(loud) + _PRIOR_FRAMES)


def floored(energies: Frames) -> Frames:
    """Return log energies with what lies 60 dB below the greatest raised to there."""
    return np.maximum(energies, energies.max() - _QUIETEST)


def cepstra(energies: Frames, settings: FeatureSettings) -> Frames:
    """Return normalised cepstra of log mel energies, with their first and second differences.

    Each coefficient has mean 0 and deviation 1 over loud frames (Viikki and Laurila 1998, "Cepstral
    domain segmental feature vector normalization for noise robust speech recognition").
    """
    energies = floored(energies)
    values = dct(energies, type=2, norm="ortho", axis=1)[:, : settings.cepstra]
    loud = dct(loud_frames(energies), type=2, norm="ortho", axis=1)[:, : settings.cepstra]
    values = (values - loud.mean(0)) / np.maximum(loud.std(0), 1e-3)
    slopes = _differences(values)
    return np.concatenate([values, slopes, _differences(slopes)], axis=1).astype(np.float32)


def stretched(energies: Frames, frames: int) -> Frames:
    """Return as many frames of the same, spoken faster or slower."""
    places = np.linspace(0, len(energies) - 1, frames)
    before = np.minimum(places.astype(np.int64), max(len(energies) - 2, 0))
    share = (places - before)[:, None].astype(np.float32)
    after = np.minimum(before + 1, len(energies) - 1)
    mixed: np.ndarray = energies[before] * (1 - share) + energies[after] * share
    return mixed


def _differences(values: np.ndarray, reach: int = 2) -> np.ndarray:
    """Slopes of lines through so many frames to either side."""
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    offsets = np.arange(-reach, reach + 1)
    slopes: np.ndarray = windows @ (offsets / (offsets**2).sum())
    return slopes
