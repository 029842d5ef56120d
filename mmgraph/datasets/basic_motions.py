"""Basic motions: a smartwatch in four activities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from mmgraph.datasets.entries import read_member
from mmgraph.graph.errors import DatasetError

_CHANNELS = {"accelerometer": slice(0, 3), "gyroscope": slice(3, 6)}


@dataclass(frozen=True, eq=False)
class BasicMotions:
    """The basic motions data set.

    Attributes
    ----------
    sequences : dict of str to list of array, shape (100, 3)
        ``"accelerometer"`` and ``"gyroscope"`` of 80 recordings, along x, y and z.
    labels : array of str, shape (80,)
        ``Standing``, ``Running``, ``Walking`` or ``Badminton``.
    training : array of bool, shape (80,)
        The 40 recordings that the published split trains on. Who the four people of a recording are
        is not said, so that nobody can be left out.
    rate : float
        Steps a second.
    """

    sequences: dict[str, list[Float64[np.ndarray, "steps 3"]]]
    labels: NDArray[np.str_]
    training: Bool[np.ndarray, " recordings"]
    rate: float = 10.0


def load() -> BasicMotions:
    """Load the basic motions data set."""
    parts = [
        read_series(read_member("basic_motions", member).decode(), member)
        for member in ("BasicMotions_TRAIN.ts", "BasicMotions_TEST.ts")
    ]
    recordings = [x for series, _ in parts for x in series]
    return BasicMotions(
        {m: [np.ascontiguousarray(x[:, c]) for x in recordings] for m, c in _CHANNELS.items()},
        np.array([label for _, labels in parts for label in labels]),
        np.repeat([True, False], [len(labels) for _, labels in parts]),
    )


def read_series(
    text: str, name: str
) -> tuple[list[Float64[np.ndarray, "steps channels"]], list[str]]:
    """Return the series of a ``.ts`` file, and the class of each.

    After the line ``@data`` a line is a series: its channels, of numbers between commas, and its
    class, with colons between.

    Raises
    ------
    DatasetError
        If a line is not so (which).
    """
    series, labels = [], []
    lines = iter(enumerate(text.splitlines(), 1))
    for _, line in lines:
        if line.strip().lower() == "@data":
            break
    for number, line in lines:
        *channels, label = line.strip().split(":")
        try:
            values = np.array([channel.split(",") for channel in channels], np.float64).T
        except ValueError as error:
            raise DatasetError(f"{name}, line {number}: {error}") from error
        if values.ndim != 2 or not label:
            raise DatasetError(f"{name}, line {number} is no series of channels and its class")
        series.append(values)
        labels.append(label)
    if not series:
        raise DatasetError(f"{name} has no series after '@data'")
    return series, labels
