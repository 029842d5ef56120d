"""What a predictor says of its target in rows, by the modalities that it may look at."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.modality_rows import ModalityRows
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.column_reader import codes, is_frame
from mmgraph.graph.errors import (
    LearningError,
    MmgraphError,
    UnknownVariableError,
    needs,
    suggestion,
)
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable
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
        if isinstance(modalities, Mapping):
            raise MmgraphError(
                "modalities of a predictor are names: it says what their columns are"
            )
        if modalities is None:
            looked_at: Any = getattr(model, "modalities_", None) or getattr(data, "modalities", ())
            schema = getattr(model, "schema_", None)
            order = () if schema is None else tuple(schema.modalities)
            modalities = sorted(
                looked_at, key=lambda m: order.index(m) if m in order else len(order)
            )
        if not modalities:
            raise MmgraphError(
                "the predictor does not say which modalities it looks at: name them by "
                "modalities=[…]"
            )
        self.names = (modalities,) if isinstance(modalities, str) else tuple(modalities)
        listed: Any = getattr(getattr(model, "schema_", None), "modalities", None)
        for name in self.names if listed else ():
            if name not in listed:
                hint = suggestion(name, listed)
                raise UnknownVariableError(f"the predictor has no modality '{name}'{hint}")
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
            If there is no column of the target, a row lacks it (which), or all rows a modality.
        UnknownStateError
            If a label is none of the classes (of which row).
        """
        schema = getattr(self.model, "schema_", None)
        if isinstance(data, str | os.PathLike) and schema is not None:
            data = MultimodalData.read(data, schema, partial=True)
        if isinstance(data, ModalityRows):
            labels: Any = np.array(data.target.labels, object)[data.codes]
            rows: Any = replace(data, outcome=None)
        elif is_frame(data):
            columns = [str(name) for name in data.columns]
            if self.target not in columns:
                hint = suggestion(self.target, columns)
                raise LearningError(f"the rows have no column '{self.target}'{hint}")
            place = columns.index(self.target)
            labels = data.iloc[:, place]
            rows = data.iloc[:, [i for i in range(len(columns)) if i != place]]
        else:
            raise LearningError(
                "rows of a predictor are a data frame or MultimodalData, with the target, not "
                f"{type(data).__name__}"
            )
        classes = codes(Variable(self.target, self.states), labels, lambda row: f"row {row}")
        if (classes == MISSING).any():
            raise LearningError(f"row {int((classes == MISSING).argmax())} has no '{self.target}'")
        if len(classes) and (isinstance(data, ModalityRows) or schema is not None):
            for modality in self.names:
                if self.lacks(rows, modality):
                    raise LearningError(f"the rows say nothing of the modality '{modality}'")
        return rows, classes

    def lacks(self, rows: Any, modality: str) -> bool:
        """Return whether rows say nothing of a modality.

        Raises
        ------
        LearningError
            If the predictor does not say which columns of a frame are the modality's.
        """
        if isinstance(rows, ModalityRows):
            return modality not in rows.blocks or bool(rows.blocks[modality].missing.all())
        schema = getattr(self.model, "schema_", None)
        if schema is None:
            raise LearningError(
                f"a {type(self.model).__name__} has no schema_, which says what the columns of "
                f"'{modality}' are: give MultimodalData"
            )
        columns = [name for name in schema.modalities.get(modality, ()) if name in rows.columns]
        return not columns or bool(rows[columns].isna().all(axis=None))

    def row(self, cells: Any) -> Any:
        """Return one row as the predictor takes it, of which the target is not told.

        Raises
        ------
        LearningError
            If there is another number of rows, or the target is told.
        """
        if isinstance(cells, Mapping) or (hasattr(cells, "to_dict") and not is_frame(cells)):
            with needs("data", "pandas", "a row by name"):
                import pandas
            cells = pandas.DataFrame([dict(cells)])
        if not isinstance(cells, ModalityRows) and not is_frame(cells):
            raise LearningError(
                "a row of a predictor is a mapping, a data frame or MultimodalData of one row, not "
                f"{type(cells).__name__}"
            )
        if len(cells) != 1:
            raise LearningError(f"one row was expected, and {len(cells)} are given")
        if isinstance(cells, ModalityRows):
            is_told = cells.outcome is not None and bool((cells.outcome.labels != MISSING).any())
        else:
            is_told = self.target in cells and bool(cells[self.target].notna().any())
        if is_told:
            raise LearningError(f"the row says what '{self.target}' is: nothing is left to tell")
        return cells
