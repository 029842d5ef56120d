"""Rows as a machine sees them: transforms and their inverses, data sets, files of rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mmgraph import datasets
from mmgraph.experiments.machine.data import check_images, fit_transform, load_data, read_rows
from mmgraph.experiments.machine.declaration import (
    MachineDeclaration,
    ViewDeclaration,
    read_machine,
)
from mmgraph.graph.errors import DatasetError, LearningError
from tests.comparison.small_machine import DECLARATION, small_data


@pytest.fixture
def declaration(tmp_path: Path) -> MachineDeclaration:
    path = tmp_path / "shapes.toml"
    path.write_text(DECLARATION)
    return read_machine(path)


def skewed(rows: int = 300) -> np.ndarray:
    """Features of different scales, the first of them far from normal."""
    generator = np.random.default_rng(2)
    return np.exp(generator.normal(size=(rows, 3))) * [1.0, 10.0, 1000.0] + [0.0, 5.0, -3.0]


@pytest.mark.parametrize("transform", ["standardise", "one_scale", "normal_quantiles"])
def test_a_transform_goes_there_and_back(transform: str):
    features = skewed()
    fitted = fit_transform(ViewDeclaration("a", (3,), transform), features)
    np.testing.assert_allclose(fitted.backward(fitted.forward(features)), features, rtol=1e-6)


def test_standardised_features_have_mean_zero_and_variance_one():
    features = skewed()
    seen = fit_transform(ViewDeclaration("a", (3,), "standardise"), features).forward(features)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-9)
    # A feature of little variance beside the others is not blown up altogether.
    np.testing.assert_allclose(seen.std(0)[1:], 1, rtol=0.1)
    assert 0 < seen.std(0)[0] < 1


def test_one_scale_keeps_what_hardly_varies_small():
    features = skewed()
    seen = fit_transform(ViewDeclaration("a", (3,), "one_scale"), features).forward(features)
    assert seen.var(0).mean() == pytest.approx(1)
    np.testing.assert_allclose(seen.std(0) / seen.std(0)[2], features.std(0) / features.std(0)[2])


def test_quantiles_are_normal():
    features = skewed(1000)
    seen = fit_transform(ViewDeclaration("a", (3,), "normal_quantiles"), features).forward(features)
    for share in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(np.quantile(seen, share, 0), norm.ppf(share), atol=0.05)


def test_what_cannot_be_scaled_is_named():
    features = skewed(20)
    features[7, 2] = np.inf
    with pytest.raises(LearningError, match="feature 2 of 'a' is not finite in training row 7"):
        fit_transform(ViewDeclaration("a", (3,)), features)
    with pytest.raises(LearningError, match="all features of 'a' are constant"):
        fit_transform(ViewDeclaration("a", (3,)), np.ones((5, 2)))
    one = np.stack([np.ones(50), np.arange(50.0)], 1)
    assert np.isfinite(fit_transform(ViewDeclaration("a", (3,)), one).forward(one)).all()


def test_a_data_set_of_views(declaration: MachineDeclaration, monkeypatch: pytest.MonkeyPatch):
    data = small_data(6)
    loaded = SimpleNamespace(views=data.features, labels=np.array([4, 7, 9, 4, 7, 9]))
    monkeypatch.setattr(datasets, "load", lambda name: loaded)
    found = load_data(declaration)
    np.testing.assert_array_equal(found.codes, [0, 1, 2, 0, 1, 2])
    assert (found.target.name, found.target.labels) == ("shape", ("4", "7", "9"))
    np.testing.assert_array_equal(found.features["tone"], data.features["tone"])
    wrong = replace(declaration, views=(ViewDeclaration("tones", (3,)),))
    with pytest.raises(DatasetError, match=r"no modality 'tones'; did you mean 'tone'"):
        load_data(wrong)


def test_a_data_set_in_a_table(declaration: MachineDeclaration, monkeypatch: pytest.MonkeyPatch):
    frame = pd.DataFrame({"p": [1.0, 2.0], "t": [3.0, 4.0], "kind": ["ring", "bar"]})
    loaded = SimpleNamespace(frame=frame, features={"picture": ("p",), "tone": ("t",)})
    monkeypatch.setattr(datasets, "load", lambda name: loaded)
    found = load_data(replace(declaration, label_column="kind"))
    assert found.target.labels == ("bar", "ring")
    np.testing.assert_array_equal(found.codes, [1, 0])
    np.testing.assert_array_equal(found.features["tone"], [[3.0], [4.0]])
    with pytest.raises(DatasetError, match=r"no column 'kin'; did you mean 'kind'"):
        load_data(replace(declaration, label_column="kin"))


def test_an_image_has_as_many_pixels_as_there_are_features(declaration: MachineDeclaration):
    check_images(declaration, small_data())
    wrong = ViewDeclaration("picture", (3,), image=(4, 4))
    with pytest.raises(DatasetError, match="'picture' has 12 features, no image of 4 x 4"):
        check_images(replace(declaration, views=(wrong,)), small_data())


def rows_table() -> pd.DataFrame:
    data = small_data(6)
    columns = {
        f"{name}[{i}]": table[:, i] for name, table in data.features.items()
        for i in range(table.shape[1])
    }  # fmt: skip
    return pd.DataFrame({**columns, "shape": [data.target.labels[code] for code in data.codes]})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_of_a_file(declaration: MachineDeclaration, tmp_path: Path, suffix: str):
    path = tmp_path / f"rows.{suffix}"
    table = rows_table()
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    found, data = read_rows(declaration, path), small_data(6)
    np.testing.assert_allclose(found.features["picture"], data.features["picture"])
    np.testing.assert_array_equal(found.codes, data.codes)
    assert found.target.labels == data.target.labels


def test_files_of_rows_that_lack_something(declaration: MachineDeclaration, tmp_path: Path):
    path = tmp_path / "rows.csv"
    with pytest.raises(DatasetError, match=r"rows\.csv"):
        read_rows(declaration, path)
    rows_table().drop(columns="tone[2]").to_csv(path, index=False)
    with pytest.raises(DatasetError, match=r"no column 'tone\[2\]'"):
        read_rows(declaration, path)
    rows_table().drop(columns=[f"tone[{i}]" for i in range(5)]).to_csv(path, index=False)
    with pytest.raises(DatasetError, match=r"no column 'tone\[0\]'"):
        read_rows(declaration, path)
    rows_table().rename(columns={"shape": "shap"}).to_csv(path, index=False)
    with pytest.raises(DatasetError, match="no column 'shape'; did you mean 'shap'"):
        read_rows(declaration, path)
    table = rows_table()
    table.loc[4, "shape"] = None
    table.to_csv(path, index=False)
    with pytest.raises(DatasetError, match="row 4 has no 'shape'"):
        read_rows(declaration, path)
