"""HAPT: smartphone recordings of everyday activities and the transitions between postures."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int64
from numpy.typing import NDArray

from mmgraph.datasets.entries import read_member
from mmgraph.datasets.readers.pickles import unpickled
from mmgraph.datasets.readers.unpacked import unpacked
from mmgraph.graph.errors import DatasetError

ACTIVITIES = (
    "walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "lying",
    "stand_to_sit", "sit_to_stand", "sit_to_lie", "lie_to_sit", "stand_to_lie", "lie_to_stand",
)  # fmt: skip
"""Six activities, and from the seventh on the six transitions between postures."""
_MEMBER = "HAPT.pkl.gz"
_CHANNELS = {
    "accelerometer": ("acc-x", "acc-y", "acc-z"),
    "gyroscope": ("gyro-x", "gyro-y", "gyro-z"),
}
_FILE = "recordings.npz"


@dataclass(frozen=True, eq=False)
class Hapt:
    """Continuous recordings of a smartphone at the waist (Reyes-Ortiz et al. 2016).

    Attributes
    ----------
    sequences : dict of str to list of array of float32, shape (steps, 3)
        ``"accelerometer"`` (in g) and ``"gyroscope"`` (rad/s) along x, y and z of 61 recordings;
        both have the same steps.
    labels : list of array of int8, shape (steps,)
        Place in ``activities`` of what was done at each step; -1 where nobody labelled it.
    groups : dict of str to array of int, shape (recordings,)
        ``"person"``: 1 to 30, as the authors number them. Steps and recordings of one person
        resemble each other: split by person.
    activities : tuple of str
        :data:`ACTIVITIES`.
    rate : float
        Steps a second.
    """

    sequences: dict[str, list[Float32[np.ndarray, "steps 3"]]]
    labels: list[Int8[np.ndarray, " steps"]]
    groups: dict[str, Int64[np.ndarray, " recordings"]]
    activities: tuple[str, ...] = ACTIVITIES
    rate: float = 50.0


def load() -> Hapt:
    """Load the recordings. The first call rewrites them as plain arrays in the cache."""
    with np.load(unpacked("hapt", _rewrite) / _FILE, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    ends = np.cumsum(arrays["steps"])[:-1]
    return Hapt(
        sequences={modality: np.split(arrays[modality], ends) for modality in _CHANNELS},
        labels=np.split(arrays["labels"], ends),
        groups={"person": arrays["person"]},
    )


def _rewrite(folder: Path) -> None:
    """Write the recordings one after the other as arrays."""
    by_person = read_frames(gzip.decompress(read_member("hapt", _MEMBER)))
    frames = [frame for frames in by_person.values() for frame in frames]
    people = [person for person, frames in by_person.items() for _ in frames]
    arrays: dict[str, Any] = {
        modality: np.concatenate(
            [np.stack([frame[c] for c in columns], axis=1) for frame in frames]
        ).astype(np.float32)
        for modality, columns in _CHANNELS.items()
    }
    labels = np.concatenate([frame["label"] for frame in frames])
    if labels.min() < -1 or labels.max() > len(ACTIVITIES) or (labels == 0).any():
        raise DatasetError(f"{_MEMBER} has labels other than -1 and 1 to {len(ACTIVITIES)}")
    np.savez(
        folder / _FILE,
        labels=np.where(labels > 0, labels - 1, -1).astype(np.int8),
        steps=np.array([len(frame["label"]) for frame in frames]),
        person=np.array(people),
        **arrays,
    )


def read_frames(content: bytes) -> dict[int, list[dict[str, NDArray[Any]]]]:
    """Return the tables of a pickle of ``{person: [DataFrame, …]}`` that an old pandas has written.

    Parameters
    ----------
    content : bytes
        The pickle. pandas is not needed: of its names only those that make a table are admitted,
        and stand for records of their state.

    Returns
    -------
    dict
        For each person its recordings, each an array a column.

    Raises
    ------
    DatasetError
        If it is no such pickle.
    """
    people = unpickled(io.BytesIO(content), _MEMBER, _STUBS)
    try:
        return {int(key): [_columns(frame) for frame in frames] for key, frames in people.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{_MEMBER} is no pickle of tables by person: {error!r}") from error


class _Record:
    """An object of pandas, of which only the state is read."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _columns(frame: _Record) -> dict[str, NDArray[Any]]:
    # The state of a BlockManager: axes, values of the blocks (columns by rows), their columns.
    _, blocks, items = frame.state["_data"].state[:3]
    return {
        str(name): row
        for block, names in zip(blocks, items, strict=True)
        for name, row in zip(names["data"], block, strict=True)
    }


_STUBS: dict[str, Any] = {
    "copy_reg._reconstructor": lambda cls, *_: cls(),
    "__builtin__.object": object,
    "__builtin__.slice": slice,
    "pandas.core.frame.DataFrame": _Record,
    "pandas.core.internals.managers.BlockManager": _Record,
    "pandas.core.indexes.base._new_Index": lambda _, state: state,
    "pandas.core.indexes.base.Index": None,
    "pandas.core.indexes.range.RangeIndex": None,
}
