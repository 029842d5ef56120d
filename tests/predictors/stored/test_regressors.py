"""Regressors written and read: they answer alike, and files that are anything else are refused."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import mmgraph as mm
from mmgraph.graph.errors import FormatError, MmgraphError

MODALITIES = {"lab": ["a", "kind"], "scan": ["b", "c"]}
REGRESSORS = {
    "gaussian": mm.MultimodalRegressor(MODALITIES, method="gaussian", folds=2),
    "bins": mm.MultimodalRegressor(
        MODALITIES, leaves=("logistic", mm.EncoderLeaf(LogisticRegression())), joint=(), folds=2
    ),
}


def rows(count: int = 60, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.standard_normal((count, 3)), columns=list("abc"))
    target = frame.sum(axis=1).to_numpy() + random.standard_normal(count)
    frame["kind"] = np.where(random.random(count) < 0.5, "high", "low")
    return frame.mask(random.random(frame.shape) < 0.1), target


@pytest.fixture(scope="module", params=REGRESSORS)
def written(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    path = tmp_path_factory.mktemp("regressor") / "m.mmgraph"
    regressor = clone(REGRESSORS[request.param]).fit(*rows())
    regressor.save(path)
    return regressor, path


def check_alike(first: Any, second: Any, test: Any, truth: np.ndarray) -> None:
    for given in (None, ["lab"], ["scan"], []):
        for answer in (
            lambda r, g: r.predict(test, g),
            lambda r, g: r.predict_quantiles(test, [0.1, 0.5, 0.9], g),
            lambda r, g: r.log_density(test, truth, g),
        ):
            np.testing.assert_array_equal(answer(second, given), answer(first, given))


@pytest.mark.filterwarnings("ignore:row")
def test_they_answer_alike(written: Any):
    regressor, path = written
    again = mm.read(path)
    check_alike(regressor, again, *rows(30, seed=1))
    assert repr(again.get_params()) == repr(regressor.get_params())
    assert again.feature_names_in_.tolist() == regressor.feature_names_in_.tolist()
    assert again.n_features_in_ == 4
    check_alike(regressor, clone(again).fit(*rows()), *rows(30, seed=1))


@pytest.mark.filterwarnings("ignore:row")
def test_arrays_and_options(tmp_path: Path):
    frame, target = rows()
    table = frame[["a", "b", "c"]].to_numpy()
    regressor = mm.MultimodalRegressor(leaves="logistic", bins=4, folds=2, random_state=7)
    regressor.fit(table, target).save(tmp_path / "m.mmgraph")
    again = mm.read(tmp_path / "m.mmgraph")
    np.testing.assert_array_equal(again.predict(table), regressor.predict(table))
    assert (again.bins, again.random_state, again.n_features_in_) == (4, 7, 3)
    assert not hasattr(again, "feature_names_in_")


class Other(mm.MultimodalRegressor):
    """A regressor of one's own."""


def test_what_cannot_be_written(tmp_path: Path):
    with pytest.raises(FormatError, match="the regressor is not fitted; there is nothing to write"):
        mm.MultimodalRegressor().save(tmp_path / "m.mmgraph")
    with pytest.raises(FormatError, match="Other is a kind of its own"):
        Other(method="gaussian").fit(np.arange(40.0).reshape(20, 2), np.arange(20.0)).save(
            tmp_path / "m.mmgraph"
        )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def copied(written: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[1], tmp_path / "m.mmgraph"))


def places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in list(items):
        yield value, key
        if isinstance(part, dict | list):
            yield from places(part)


def test_a_document_with_any_other_value_is_read_or_refused(copied: Path):
    file = copied / "network.json"
    text = file.read_text()
    others = (None, -1, "x", [], [[]], {}, {"kind": "x"})
    count, refused = len(list(places(json.loads(text)))), 0
    for number in range(0, count, 2):
        document = json.loads(text)
        container, key = list(places(document))[number]
        container[key] = others[number // 2 % len(others)]
        file.write_text(json.dumps(document))
        try:
            mm.read(copied)
        except MmgraphError:
            refused += 1
    assert refused > count / 4


def nothing(_: Any) -> torch.Tensor:
    return torch.zeros(1)


CHANGES = [
    ("bins.ends", lambda x: x.flip(0) if len(x) > 1 else x[:0], ("bins", "gaussian")),
    ("bins.scales", lambda x: x * 0, ("bins", "gaussian")),
    ("bins.ends", None, ("bins", "gaussian")),
    ("bins.ends", lambda x: x[:1], ("bins",)),
    ("held_out.codes", lambda x: -x - 1, ("bins",)),
    ("pool.values", lambda x: x * 0, ("gaussian",)),
    ("pool.counts", lambda x: -x, ("gaussian",)),
    ("pool.held_out", lambda x: x[:1], ("gaussian",)),
    ("pool.there", None, ("gaussian",)),
    ("0.weights", lambda x: x[:1], ("gaussian",)),
    ("pool.more", nothing, ("gaussian",)),
    ("bins.more", nothing, ("bins", "gaussian")),
    ("0.more", nothing, ("bins", "gaussian")),
    ("more", nothing, ("bins", "gaussian")),
]


def test_numbers_that_do_not_fit_are_refused(written: Any, copied: Path):
    file, network = copied / "parameters.safetensors", copied / "network.json"
    whole = load_file(file)
    for name, change, methods in CHANGES:
        if written[0].method not in methods:
            continue
        tensors = dict(whole)
        if change is None:
            del tensors[name]
        else:
            tensors[name] = change(tensors.get(name)).contiguous()
        save_file(tensors, file)
        document = json.loads(network.read_text())
        for digests in document.values():
            if isinstance(digests, dict) and file.name in digests:
                digests[file.name] = sha256(file.read_bytes()).hexdigest()
        network.write_text(json.dumps(document))
        with pytest.raises(FormatError):
            mm.read(copied)
    save_file(whole, file)
