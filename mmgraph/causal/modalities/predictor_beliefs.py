"""What a predictor says of its target in rows, by the modalities that it may look at."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.modality_rows import ModalityRows
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import LearningError, MmgraphError, suggestion
from mmgraph.networks.boltzmann.answers import PriorWarning


class AnyPredictor(Protocol):
    """What is asked of a fitted model: probabilities of classes, given some modalities."""

    classes_: Any

    def predict_proba(
        self, data: Any, /, given: Collection[str] | None = None
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the probability of each class in each row."""


class PredictorBeliefs:
    """A fitted predictor, the name of its target, and its modalities."""

    def __init__(
        self, model: AnyPredictor, target: str, modalities: Iterable[str] | None, data: object
    ) -> None:
        self.model, self.target = model, target
        if modalities is None:
            modalities = getattr(model, "modalities_", None) or getattr(data, "modalities", None)
        if not modalities:
            raise MmgraphError(
                "the predictor does not say which modalities it looks at: name them by "
                "modalities=[…]"
            )
        self.names = (modalities,) if isinstance(modalities, str) else tuple(modalities)
        self.states = tuple(np.asarray(model.classes_).tolist())

    def beliefs(self, rows: Any, modalities: Iterable[str]) -> Float64[np.ndarray, "rows classes"]:
        """Return the probabilities of the classes in each row by some modalities."""
        asked = [name for name in self.names if name in set(modalities)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PriorWarning)  # rows may lack what others have
            return np.asarray(self.model.predict_proba(rows, given=asked), np.float64)

    def read(self, data: Any) -> tuple[Any, Int64[np.ndarray, " rows"]]:
        """Return rows, and the class of each.

        Raises
        ------
        LearningError
            If there is no column of the target, or a label is none of the classes (which).
        """
        if isinstance(data, ModalityRows):
            labels = np.array([str(label) for label in data.target.labels])[data.codes]
            rows: Any = replace(data, outcome=None)
        elif is_frame(data):
            columns = [str(name) for name in data.columns]
            if self.target not in columns:
                hint = suggestion(self.target, columns)
                raise LearningError(f"the rows have no column '{self.target}'{hint}")
            place = columns.index(self.target)
            labels = np.array([str(cell) for cell in data.iloc[:, place]])
            rows = data.iloc[:, [i for i in range(len(columns)) if i != place]]
        else:
            raise LearningError(
                "rows of a predictor are a data frame or MultimodalData, with the target, not "
                f"{type(data).__name__}"
            )
        classes = [str(label) for label in self.states]
        unknown = ~np.isin(labels, classes)
        if unknown.any():
            row = int(unknown.argmax())
            raise LearningError(
                f"row {row}: the label {labels[row]!r} is none of the classes {', '.join(classes)}"
            )
        return rows, np.array([classes.index(label) for label in labels], np.int64)
