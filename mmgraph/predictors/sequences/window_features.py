"""Features of a recorded signal around steps at a regular distance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mmgraph.graph.errors import LearningError, check_choice

Signal = Float64[np.ndarray, "steps channels"]
Cut = Float64[np.ndarray, "windows steps channels"]
_BANDS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.3, 1.8, 2.5, 3.5, 5.0, 7.0, 10.0, 14.0, 20.0, 25.0)
"""Bounds of bands of frequencies, in Hz: steps of walking repeat at 1 to 2.5 Hz."""
_LEAST = 1e-3
"""Added to deviations and powers before logarithms are taken, in the signal's unit."""
_STILL = 1e-6
_WINDOWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class WindowFeatures:
    """What is computed of a signal for each of its cells, of ``step`` seconds.

    Of windows that end ``ahead`` after the middle of the cell: mean, deviation, extremes,
    quartiles, skewness, deviation and skewness of differences (a movement may be fast there and
    slow back), and change from the first half to the second of each channel, and correlations of
    channels. Of the longest window also the direction of the mean vector (of an accelerometer,
    where gravity points) and the power in bands of frequencies. Means and deviations of stretches
    before, since a posture shows in how it began. The length of the vector of several channels is a
    channel, too. (Reyes-Ortiz et al. 2016, "Transition-aware human activity recognition using
    smartphones", section 4.1, have most of these.)

    Nothing looks farther ahead than :attr:`reach` steps after the first step of a cell.

    Attributes
    ----------
    rate : float
        Steps of the signal a second.
    step : float
        Seconds from one cell to the next.
    windows : tuple of float
        Seconds that windows last.
    ahead : float
        Seconds from the middle of a cell to the end of its windows.
    context : tuple of float
        Seconds before the middle of the cell at which stretches begin and end, from the farthest.

    Raises
    ------
    LearningError
        If a setting is not above zero, or a window shorter than four steps.
    """

    rate: float
    step: float = 0.4
    windows: tuple[float, ...] = (1.28, 2.56)
    ahead: float = 0.4
    context: tuple[float, ...] = (10.0, 5.0, 3.0, 1.28, 0.4)

    def __post_init__(self) -> None:
        for name in ("rate", "step", "ahead"):
            if not 0 < getattr(self, name) < np.inf:
                raise LearningError(f"{name} is a number above zero, not {getattr(self, name)!r}")
        for window in self.windows or (0.0,):
            if self._steps(window) < 4:
                raise LearningError(
                    f"a window of {window:g} s has fewer than four steps at {self.rate:g} Hz"
                )

    @classmethod
    def of_settings(cls, rate: float, settings: Mapping[str, Any]) -> WindowFeatures:
        """Return features by the names of settings; lists are tuples.

        Raises
        ------
        LearningError
            If there is no such setting.
        """
        known = [one.name for one in fields(cls)[1:]]
        for name in settings:
            check_choice("setting of features", name, known, LearningError)
        values: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in settings.items()
        }
        return cls(rate, **values)

    def _steps(self, seconds: float) -> int:
        return round(seconds * self.rate)

    @property
    def stride(self) -> int:
        """Steps of a cell."""
        return max(self._steps(self.step), 1)

    @property
    def reach(self) -> int:
        """How many steps after the first one of its cell the last step is that a feature sees."""
        return self.stride // 2 + self._steps(self.ahead)

    def later_cells(self, lag: float) -> int:
        """Return how many cells later are still within a lag of some seconds.

        Raises
        ------
        LearningError
            If features look farther ahead.
        """
        later = int((lag * self.rate - self.reach) // self.stride)
        if later < 0:
            raise LearningError(
                f"a lag of {lag:g} s is too short: features look {self.reach / self.rate:g} s "
                "ahead of a step"
            )
        return later

    def middles(self, steps: int) -> Int64[np.ndarray, " cells"]:
        """Return the middle step of each cell of so many steps, of which the last may be short."""
        return np.minimum(np.arange(0, steps, self.stride) + self.stride // 2, steps - 1)

    def of(self, signal: Signal) -> Float64[np.ndarray, "cells features"]:
        """Return the features of each cell.

        Parameters
        ----------
        signal : ndarray, shape (steps, channels)
            Cells that are missing (NaN) are as the last one before them. Where a channel was
            missing for half of the longest window or more, all features of a cell are NaN.
        """
        filled, missing = _filled(np.asarray(signal, np.float64))
        middles = self.middles(len(filled))
        length = np.linalg.norm(filled, axis=1, keepdims=True)
        channels = np.hstack([filled, length]) if filled.shape[1] > 1 else filled
        parts = [
            self._of_cells(channels, middles[start : start + _WINDOWS_AT_ONCE])
            for start in range(0, len(middles), _WINDOWS_AT_ONCE)
        ]
        features = np.concatenate(parts)
        longest = self._steps(max(self.windows))
        lacking = self._cut(missing[:, None].astype(np.float64), middles, longest).mean((1, 2))
        features[lacking >= 0.5] = np.nan
        return features

    def _cut(self, channels: Signal, middles: Int64[np.ndarray, " cells"], window: int) -> Cut:
        """Windows that end ``ahead`` of the middles; the signal's ends stand for what is beyond."""
        start = middles + self._steps(self.ahead) + 1 - window
        places = np.clip(start[:, None] + np.arange(window), 0, len(channels) - 1)
        return channels[places]

    def _of_cells(
        self, channels: Signal, middles: Int64[np.ndarray, " cells"]
    ) -> Float64[np.ndarray, "cells features"]:
        cuts = [self._cut(channels, middles, self._steps(window)) for window in self.windows]
        longest = max(cuts, key=lambda cut: cut.shape[1])
        mean = longest.mean(1)
        parts = [_statistics(cut) for cut in cuts]
        parts += [mean / (np.linalg.norm(mean, axis=1, keepdims=True) + _LEAST)]
        parts += [_band_powers(longest, self.rate), *self._stretches(channels, middles)]
        return np.hstack(parts)

    def _stretches(self, channels: Signal, middles: Int64[np.ndarray, " cells"]) -> list[Signal]:
        """Means, less that around the middle, and deviations of the stretches of the context."""
        sums = np.cumsum(np.vstack([np.zeros_like(channels[:1]), channels]), axis=0)
        squares = np.cumsum(np.vstack([np.zeros_like(channels[:1]), channels**2]), axis=0)

        def moments(begin: int, end: int) -> tuple[Signal, Signal]:
            first = np.clip(middles + begin, 0, len(channels) - 1)
            last = np.maximum(np.clip(middles + end, 1, len(channels)), first + 1)
            count = (last - first)[:, None]
            mean = (sums[last] - sums[first]) / count
            variance = (squares[last] - squares[first]) / count - mean**2
            return mean, np.log(np.sqrt(np.maximum(variance, 0.0)) + _LEAST)

        if not self.context:
            return []
        ahead = self._steps(self.ahead) + 1
        bounds = [-self._steps(seconds) for seconds in self.context]
        around, _ = moments(bounds[-1], min(-bounds[-1], ahead))
        parts: list[Signal] = []
        for begin, end in zip(bounds, [*bounds[1:], ahead], strict=True):
            mean, deviation = moments(begin, end)
            parts += [mean - around, deviation]
        return parts


def _filled(signal: Signal) -> tuple[Signal, Bool[np.ndarray, " steps"]]:
    """The signal with the last value known at each step (the first one, before it), and gaps."""
    lacking = np.isnan(signal)
    if not lacking.any():
        return signal, lacking.any(1)
    steps = np.arange(len(signal))[:, None]
    last = np.maximum.accumulate(np.where(lacking, -1, steps), axis=0)
    last = np.where(last < 0, (~lacking).argmax(0), last)
    return np.nan_to_num(np.take_along_axis(signal, last, axis=0)), lacking.any(1)


def _statistics(cut: Cut) -> Float64[np.ndarray, "windows features"]:
    """Moments, extremes, quartiles, change and roughness of channels, and their correlations."""
    mean, deviation, half = cut.mean(1), cut.std(1), cut.shape[1] // 2
    lower, upper = np.quantile(cut, [0.25, 0.75], axis=1)
    change = cut[:, half:].mean(1) - cut[:, :half].mean(1)
    differences = np.diff(cut, axis=1)
    roughness = differences.std(1)
    # Each channel with the next one, the last with the first: all pairs of three.
    channels = cut.shape[2] - 1
    pairs = channels if channels > 2 else channels - 1
    centred = (cut - mean[:, None]) / (deviation[:, None] + _STILL)
    correlations = [
        (centred[:, :, c] * centred[:, :, (c + 1) % channels]).mean(1)[:, None]
        for c in range(pairs)
    ]
    return np.hstack(
        [
            mean,
            np.log(deviation + _LEAST),
            cut.min(1),
            cut.max(1),
            lower,
            upper,
            change,
            np.log(roughness + _LEAST),
            (centred**3).mean(1),
            (differences**3).mean(1) / (roughness**3 + _STILL),
            *correlations,
        ]
    )


def _band_powers(cut: Cut, rate: float) -> Float64[np.ndarray, "windows features"]:
    """Logarithms of the power of each channel in bands of frequencies, by a Hann window."""
    steps = cut.shape[1]
    shaped = (cut - cut.mean(1, keepdims=True)) * np.hanning(steps)[:, None]
    power = np.abs(np.fft.rfft(shaped, axis=1)) ** 2
    bounds = np.round(np.array(_BANDS) * steps / rate).astype(int)
    bounds = np.unique(np.clip(bounds, 1, power.shape[1]))
    bands = [power[:, a:b].sum(1) for a, b in itertools.pairwise(bounds)]
    return np.log(np.hstack(bands) + _LEAST) if bands else np.zeros((len(cut), 0))
