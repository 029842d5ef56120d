"""Recordings as samples of one rate."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmgraph.graph.errors import EvidenceError, FormatError, needs, warn_caller

Samples = Float32[np.ndarray, " samples"]
Recording = Any
"""Samples, a pair of samples and their rate in Hz, or the path of an audio file."""

SHORTEST = 0.05
"""Seconds below which nothing is spoken."""


class ResampledWarning(UserWarning):
    """Audio of another rate than the model's, which was resampled."""


def read_audio(path: str | os.PathLike[str]) -> tuple[Samples, int]:
    """Return the samples of an audio file (channels averaged) and their rate in Hz.

    Raises
    ------
    FormatError
        If there is no such file, it is no audio, or it holds no samples.
    MissingExtraError
        If soundfile is not installed.
    """
    with needs("audio", "soundfile", "reading audio"):
        import soundfile
    if not os.path.isfile(path):
        raise FormatError(f"{os.fspath(path)}: no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise FormatError(f"{os.fspath(path)} is no audio file ({error})") from None
    if not len(samples):
        raise FormatError(f"{os.fspath(path)} holds no samples")
    return samples.mean(axis=1), int(rate)


def checked_samples(values: object, name: str) -> Samples:
    """Return samples as floats of full scale 1 (integers are those of PCM).

    Raises
    ------
    EvidenceError
        If they have several axes, or one of them is not finite.
    """
    samples = np.asarray(values)
    if samples.ndim != 1 or samples.dtype.kind not in "fi":
        raise EvidenceError(f"{name}: expected one axis of samples, found {samples.shape}")
    if samples.dtype.kind == "i":
        samples = samples / -float(np.iinfo(samples.dtype).min)
    if not np.isfinite(samples).all():
        place = int((~np.isfinite(samples)).argmax())
        raise EvidenceError(f"{name}: sample {place} is not finite")
    return samples.astype(np.float32)


def at_rate(recording: Recording, rate: int, name: str = "the recording") -> Samples:
    """Return the samples of a recording at a rate in Hz; bare samples have it already.

    Raises
    ------
    EvidenceError
        If it is shorter than :data:`SHORTEST`, has several axes, or a sample is not finite.
    FormatError
        If a file cannot be read.

    Warns
    -----
    ResampledWarning
        If it was of another rate.
    """
    if isinstance(recording, str | os.PathLike):
        name, (values, found) = os.fspath(recording), read_audio(recording)
    else:
        values, found = recording if isinstance(recording, tuple) else (recording, rate)
    samples = checked_samples(values, name)
    if len(samples) < SHORTEST * found:
        raise EvidenceError(
            f"{name} is empty or too short: {len(samples)} samples at {found} Hz, at least "
            f"{SHORTEST:g} s are needed"
        )
    if found == rate:
        return samples
    warn_caller(f"audio of {found} Hz was resampled to {rate} Hz", ResampledWarning)
    return resampled(samples, found, rate)


def resampled(values: object, found: int, rate: int) -> Samples:
    """Return samples of one rate at another, both in Hz; see :func:`checked_samples`."""
    with needs("audio", "librosa", "resampling audio"):
        import librosa
    samples = checked_samples(values, "the samples")
    return np.asarray(librosa.resample(samples, orig_sr=found, target_sr=rate), np.float32)
