"""Rows as a machine sees them: transforms and their inverses, data sets, files of rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mmgraph import datasets
from mmgraph.experiments.machine.data import check_images, load_data, read_rows
from mmgraph.experiments.machine.declaration import (
    MachineDeclaration,
    ViewDeclaration,
    read_machine,
)
from mmgraph.graph.errors import DatasetError
from tests.experiments.small_machine import DECLARATION, small_data


@pytest.fixture
def declaration(tmp_path: Path) -> MachineDeclaration:
    path = tmp_path / "shapes.toml"
    path.write_text(DECLARATION)
    return read_machine(path)


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
