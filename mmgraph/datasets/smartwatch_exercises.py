"""Smartwatch exercises: movement of the wrist in seven exercises of the shoulder."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from mmgraph.datasets.entries import read_member
from mmgraph.datasets.readers.pickles import unpickled
from mmgraph.graph.errors import DatasetError

_CHANNELS = {"accelerometer": slice(0, 3), "gyroscope": slice(3, 6)}
_MEMBER = "watch_dataset.npy"


@dataclass(frozen=True, eq=False)
class SmartwatchExercises:
    """The smartwatch exercises data set.

    Attributes
    ----------
    sequences : dict of str to list of array, shape (steps, 3)
        ``"accelerometer"`` (in g) and ``"gyroscope"`` (rad/s) of 140 recordings, of 947 to 2,618
        steps along x, y and z; both have the same steps.
    labels : array of str, shape (140,)
        The exercise: pendulum (``PEN``), abduction (``ABD``), forward elevation (``FEL``), internal
        and external rotation with a band (``IR``, ``ER``), trapezius extension (``TRAP``), upright
        row (``ROW``).
    groups : dict of str to array of int, shape (140,)
        ``"person"``: ten people, of 14 recordings each; ``"side"``: the wrist, 1 the right one.
    rate : float
        Steps a second.
    """

    sequences: dict[str, list[Float64[np.ndarray, "steps 3"]]]
    labels: NDArray[np.str_]
    groups: dict[str, Int64[np.ndarray, " recordings"]]
    rate: float = 50.0


def load() -> SmartwatchExercises:
    """Load the smartwatch exercises data set."""
    content = read_arrays(read_member("smartwatch_exercises", _MEMBER))
    recordings = [np.asarray(recording, np.float64) for recording in content["X"]]
    return SmartwatchExercises(
        {m: [np.ascontiguousarray(x[:, c]) for x in recordings] for m, c in _CHANNELS.items()},
        np.array(content["y_labels"])[np.asarray(content["y"], np.int64)],
        {
            "person": np.asarray(content["subject"], np.int64) - 1,
            "side": np.asarray(content["side"], np.int64),
        },
    )


def read_arrays(content: bytes) -> Any:
    """Return the one object of a NumPy file of objects, made of containers and arrays alone.

    Raises
    ------
    DatasetError
        If it is no such file, or needs anything else (what).
    """
    file = io.BytesIO(content)
    try:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{_MEMBER} is no NumPy file of arrays: {error}") from error
    return unpickled(file, _MEMBER)[()]
