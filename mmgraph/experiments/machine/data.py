"""Rows of several modalities as a machine sees them: on scales that training rows give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64

from mmgraph.data.multimodal_data import MultimodalData, groups_of
from mmgraph.experiments.machine.declaration import MachineDeclaration, ViewDeclaration
from mmgraph.graph.errors import DatasetError, LearningError, needs, suggestion
from mmgraph.graph.variable import Variable

Features = Float64[np.ndarray, "rows features"]


class Transform(Protocol):
    """A fitted map from features to what the machine sees, and back."""

    def forward(self, features: Features) -> Features:
        """Return what the machine sees."""

    def backward(self, seen: Features) -> Features:
        """Return features in their own units."""


@dataclass(frozen=True)
class Scale:
    """Features less their mean, over a scale.

    Attributes
    ----------
    mean, deviation : ndarray, shape (features,)
    """

    mean: Float64[np.ndarray, " features"]
    deviation: Float64[np.ndarray, " features"]

    def forward(self, features: Features) -> Features:
        """Return what the machine sees."""
        return (features - self.mean) / self.deviation

    def backward(self, seen: Features) -> Features:
        """Return features in their own units."""
        return seen * self.deviation + self.mean


@dataclass(frozen=True)
class Quantiles:
    """Features as quantiles of a normal distribution.

    Attributes
    ----------
    transformer : object
        scikit-learn's QuantileTransformer, fitted.
    """

    transformer: Any

    def forward(self, features: Features) -> Features:
        """Return what the machine sees."""
        return np.asarray(self.transformer.transform(features), np.float64)

    def backward(self, seen: Features) -> Features:
        """Return features in their own units."""
        return np.asarray(self.transformer.inverse_transform(seen), np.float64)


def fit_transform(view: ViewDeclaration, features: Features) -> Transform:
    """Fit the transform of a view on training rows.

    Raises
    ------
    LearningError
        If a feature is not finite, or all features are constant.
    MissingExtraError
        If scikit-learn is needed and not installed.
    """
    if not np.isfinite(features).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(features))[0])
        raise LearningError(
            f"feature {column} of '{view.modality}' is not finite in training row {row}"
        )
    if view.transform == "normal_quantiles":
        with needs("data", "scikit-learn", "normal quantiles"):
            from sklearn.preprocessing import QuantileTransformer
        count = min(200, len(features))
        made = QuantileTransformer(output_distribution="normal", n_quantiles=count)
        return Quantiles(made.fit(features))
    mean = features.mean(0)
    whole = float(np.sqrt(((features - mean) ** 2).mean()))
    if whole == 0:
        raise LearningError(f"all features of '{view.modality}' are constant in the training rows")
    if view.transform == "one_scale":
        return Scale(mean, np.full(len(mean), whole))
    # A feature that is constant in the training rows may vary a little in others.
    return Scale(mean, features.std(0) + 1e-3 * features.std())


def check_images(declaration: MachineDeclaration, data: MultimodalData) -> None:
    """Refuse images that are not as large as there are features.

    Raises
    ------
    DatasetError
        Which modality.
    """
    for view in declaration.views:
        count = data.features[view.modality].shape[1]
        if view.image and view.image[0] * view.image[1] != count:
            size = " x ".join(map(str, view.image))
            raise DatasetError(f"'{view.modality}' has {count} features, no image of {size}")


def load_data(declaration: MachineDeclaration) -> MultimodalData:
    """Load the data set that a declaration names.

    Raises
    ------
    DatasetError
        If the data set cannot be had, or lacks a modality, the labels or the groups.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    if hasattr(loaded, "views"):
        tables: Mapping[str, np.ndarray] = loaded.views
        codes, labels = np.unique(loaded.labels, return_inverse=True)[::-1]
    else:
        column = declaration.label_column
        if column not in loaded.frame:
            hint = suggestion(column, loaded.frame.columns)
            raise DatasetError(f"'{declaration.dataset}' has no column {column!r}{hint}")
        tables = {
            m: loaded.frame[list(names)].to_numpy(np.float64)
            for m, names in loaded.features.items()
        }
        codes, labels = loaded.frame[column].factorize(sort=True)
    for modality in declaration.modalities:
        if modality not in tables:
            hint = suggestion(modality, tables)
            raise DatasetError(f"'{declaration.dataset}' has no modality {modality!r}{hint}")
    return MultimodalData(
        {m: np.asarray(tables[m], np.float64) for m in declaration.modalities},
        np.asarray(codes, np.int64),
        Variable(declaration.network.labels, tuple(str(label) for label in labels)),
        groups_of(loaded, declaration.groups, declaration.dataset, len(codes)),
    )


def read_rows(declaration: MachineDeclaration, path: Path) -> MultimodalData:
    """Read rows from a CSV or Parquet file.

    The features of a modality are the columns ``MODALITY[0]``, ``MODALITY[1]``, …, and the labels
    a column of the label units' name.

    Raises
    ------
    DatasetError
        If a column is missing, or a label.
    MissingExtraError
        If pandas is not installed.
    """
    with needs("data", "pandas", "reading a table"):
        import pandas
    read = pandas.read_parquet if path.suffix == ".parquet" else pandas.read_csv
    try:
        frame = read(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {error}") from None
    label = declaration.network.labels
    if label not in frame:
        raise DatasetError(f"{path}: no column '{label}'{suggestion(label, frame.columns)}")
    if frame[label].isna().any():
        raise DatasetError(f"{path}: row {int(frame[label].isna().argmax())} has no '{label}'")
    tables = {}
    for modality in declaration.modalities:
        count = sum(str(c).startswith(f"{modality}[") for c in frame.columns)
        names = [f"{modality}[{i}]" for i in range(count)]
        missing = [n for n in names or [f"{modality}[0]"] if n not in frame]
        if missing:
            raise DatasetError(f"{path}: no column '{missing[0]}'")
        tables[modality] = frame[names].to_numpy(np.float64)
    codes, labels = frame[label].factorize(sort=True)
    target = Variable(label, tuple(str(one) for one in labels))
    return MultimodalData(tables, codes.astype(np.int64), target)
