"""What sequences of any length have in common: numbers that sum up each of their channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

_BANDS = np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2])
"""The ends of bands of frequencies, in cycles a step; each begins where another ends."""
SUMMARIES = (
    "mean", "deviation", "minimum", "lower quartile", "median", "upper quartile", "maximum",
    "mean absolute step", "autocorrelation", "slope",
    *(f"share of frequencies up to 1/{round(1 / end)}" for end in _BANDS),
)  # fmt: skip
"""What is said of a channel, in this order."""


def summaries(
    sequences: Sequence[Float64[np.ndarray, "steps channels"] | None], channels: int
) -> Float64[np.ndarray, "rows features"]:
    """Return the length of each sequence, and after it :data:`SUMMARIES` of each channel.

    Of a missing sequence, or a channel without values, they are NaN; so is what a single step, or a
    constant, does not have (autocorrelation, shares of frequencies). Steps that are missing lie on
    straight lines between their neighbours.
    """
    table = np.full((len(sequences), 1 + channels * len(SUMMARIES)), np.nan)
    for row, sequence in enumerate(sequences):
        if sequence is not None:
            table[row, 0] = len(sequence)
            table[row, 1:] = _of_channels(sequence).ravel()
    return table


def _of_channels(
    sequence: Float64[np.ndarray, "steps channels"],
) -> Float64[np.ndarray, "channels summaries"]:
    there = ~np.isnan(sequence)
    table = np.full((sequence.shape[1], len(SUMMARIES)), np.nan)
    usable = np.flatnonzero(there.any(0))
    if not len(usable):
        return table
    values = sequence[:, usable].copy()
    steps = np.arange(len(values))
    for place in np.flatnonzero(~there[:, usable].all(0)):
        known = ~np.isnan(values[:, place])
        values[:, place] = np.interp(steps, steps[known], values[known, place])
    # Squares of large numbers overflow, and those of small ones vanish.
    size = np.maximum(np.abs(values).max(0), np.finfo(float).tiny)
    values /= size
    mean = values.mean(0)
    centred = values - mean
    powers = (centred**2).sum(0)
    constant = powers <= (len(values) * np.finfo(float).eps) ** 2
    powers = np.where(constant, np.nan, powers)
    quartiles = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0], axis=0)
    table[usable, :7] = (np.vstack([mean, values.std(0), quartiles]) * size).T
    if len(values) > 1:
        time = steps - steps.mean()
        table[usable, 7] = np.abs(np.diff(values, axis=0)).mean(0) * size
        table[usable, 8] = (centred[1:] * centred[:-1]).sum(0) / powers
        table[usable, 9] = time @ centred / (time @ time) * size
        table[usable, 10:] = np.where(constant[:, None], np.nan, _shares(centred))
    return table


def _shares(
    centred: Float64[np.ndarray, "steps channels"],
) -> Float64[np.ndarray, "channels bands"]:
    """How much of the variance lies in each band of frequencies."""
    spectrum = np.abs(np.fft.rfft(centred, axis=0)[1:]) ** 2
    frequencies = np.fft.rfftfreq(len(centred))[1:]
    # All but the highest frequency of an even number of steps stand for two.
    spectrum[frequencies < 0.5] *= 2
    band = np.searchsorted(_BANDS, frequencies - 1e-12)
    sums = np.stack([spectrum[band == place].sum(0) for place in range(len(_BANDS))], axis=1)
    return sums / np.maximum(sums.sum(1, keepdims=True), np.finfo(float).tiny)
