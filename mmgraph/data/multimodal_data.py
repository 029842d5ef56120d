"""Rows of several modalities with target, groups and weights; any of it may be missing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.block import Block, Features, Rows
from mmgraph.data.blocks.columns import Columns, labelled
from mmgraph.data.blocks.sequences_and_texts import Texts
from mmgraph.data.groups import Codes, Groups, coded_groups
from mmgraph.data.reading import Outcome, block_of, coded_outcome, read_rows
from mmgraph.data.schema.schema import Schema
from mmgraph.data.tables import open_table
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import LearningError, UnknownVariableError, needs, suggestion
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable


@dataclass(frozen=True, eq=False)
class MultimodalData:
    """Rows of several modalities, with what they are to tell.

    A cell, a row of a modality or a whole modality may be missing.

    Attributes
    ----------
    blocks : mapping of str to Block
        The rows of each modality: columns, arrays, sequences or texts.
    outcome : Outcome, optional
        What is to be predicted, and what it was in each row.
    groups : Groups, optional
        Rows of one group are never on both sides of a split of these data.
    weights : ndarray, optional
        How much each row counts; finite and at least zero.
    times : ndarray, optional
        When each row was taken, in any unit.
    origin : str
        What messages call the data.
    schema : Schema, optional
        What the columns of the table are that they were read from.

    Raises
    ------
    LearningError
        If there is no modality, rows differ in number, or weights are negative or not finite.

    Examples
    --------
    >>> data = MultimodalData.of(
    ...     {"lab": [[1.0, 2.0], [float("nan"), 3.0]], "note": ["stable", None]},
    ...     target=["ill", "well"],
    ... )
    >>> data.blocks["note"].missing
    array([False,  True])
    >>> data.without("lab").blocks["lab"].missing
    array([ True,  True])
    """

    blocks: Mapping[str, Block]
    outcome: Outcome | None = None
    groups: Groups | None = None
    weights: Float64[np.ndarray, " rows"] | None = None
    times: Float64[np.ndarray, " rows"] | None = None
    origin: str = "the data"
    schema: Schema | None = None

    def __post_init__(self) -> None:
        if not self.blocks:
            raise LearningError(f"{self.origin} have no modality")
        parts: dict[str, Any] = {f"the modality '{m}'": b for m, b in self.blocks.items()}
        for name, part in (parts | self._by_row()).items():
            if len(part) != len(self):
                raise LearningError(
                    f"{name} of {self.origin}: {len(part)} rows, where the modality "
                    f"'{self.modalities[0]}' has {len(self)}"
                )
        counts = self.weights
        if counts is not None and not (np.isfinite(counts) & (counts >= 0)).all():
            raise LearningError(f"the weights of {self.origin} are finite and at least zero")

    @classmethod
    def of(
        cls,
        modalities: Mapping[str, Any],
        target: object = None,
        *,
        name: str = "target",
        groups: object = None,
        weights: object = None,
    ) -> MultimodalData:
        """Return data from arrays, lists and frames, one for each modality.

        Parameters
        ----------
        modalities : mapping of str to table, array or sequence
            A data frame is columns; an array ``(rows, columns)`` of numbers is columns without
            names; one with more axes holds an array a row; a list of arrays is sequences, each of
            its own length; a list of texts is texts. None, or NaN throughout, is a missing row.
        target : sequence, optional
            A label for each row; of real numbers the target is continuous.
        name : str
            What the target is called.
        groups : sequence, optional
            What each row belongs to.
        weights : sequence of float, optional
            How much each row counts.

        Raises
        ------
        LearningError
            If a modality is nothing of that kind (which), or rows differ in number.
        """
        return cls(
            {modality: block_of(modality, given) for modality, given in modalities.items()},
            None if target is None else coded_outcome(name, target),
            None if groups is None else coded_groups("group", groups),
            None if weights is None else np.asarray(weights, np.float64),
        )

    @classmethod
    def of_numbers(
        cls,
        features: Mapping[str, Features],
        codes: Codes,
        target: Variable,
        groups: Groups | None = None,
    ) -> MultimodalData:
        """Return rows of numbers by modality, whose target's states are known as indices.

        Raises
        ------
        LearningError
            If features are no tables of finite numbers, or rows differ in number.
        """
        blocks = {m: Columns.of_numbers(m, x) for m, x in features.items()}
        return cls(blocks, Outcome(target, codes), groups)

    @classmethod
    def read(
        cls,
        data: object,
        schema: Schema | str | os.PathLike[str],
        *,
        partial: bool = False,
        **reading: Any,
    ) -> MultimodalData:
        """Return the rows of a table that a schema describes.

        A column of image paths is an array a row, one of lists of numbers a sequence, one of texts
        a text; each such column is a modality alone. The schema of the data names all states.

        Parameters
        ----------
        data : table
            As :func:`mmgraph.open_table` takes it.
        schema : Schema or path
            What its columns are; patterns are resolved.
        partial : bool
            Whether columns may be lacking, which are missing in every row then, and others be
            there, which are passed over: so are rows read that a fitted model is to answer for. A
            state that the schema does not name is missing, with a warning.
        **reading
            ``missing``, ``encoding`` and ``separator`` of :func:`mmgraph.open_table`.

        Raises
        ------
        SchemaError
            If the schema describes other columns, or a modality is of several kinds.
        LearningError, EvidenceError, UnknownStateError
            If a cell is not what its column holds; with column and row.
        FormatError
            If a file cannot be read, an image among them (which).
        """
        described = schema if isinstance(schema, Schema) else Schema.read(schema)
        return cls(*read_rows(open_table(data, **reading), described, partial))

    def __len__(self) -> int:
        return len(next(iter(self.blocks.values())))

    def __repr__(self) -> str:
        modalities = ", ".join(f"'{m}'" for m in self.modalities)
        target = "" if self.outcome is None else f", target '{self.target.name}'"
        groups = "" if self.groups is None else f", groups '{self.groups.name}'"
        return f"<MultimodalData: {len(self)} rows of {modalities}{target}{groups}>"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities."""
        return tuple(self.blocks)

    @property
    def target(self) -> Variable:
        """The variable that is to be predicted.

        Raises
        ------
        LearningError
            If there is none.
        """
        if self.outcome is None:
            raise LearningError(f"{self.origin} have no target")
        return self.outcome.variable

    @property
    def codes(self) -> Codes:
        """The target's states.

        Raises
        ------
        LearningError
            If there is no target, it is continuous, or a row lacks it (which).
        """
        target, outcome = self.target, self.outcome
        assert outcome is not None
        if not target.is_discrete:
            raise LearningError(f"the target '{target.name}' of {self.origin} has no states")
        lacking = outcome.labels == MISSING
        if lacking.any():
            raise LearningError(
                f"row {int(lacking.argmax())} of {self.origin} has no '{target.name}'"
            )
        return outcome.labels

    @property
    def features(self) -> dict[str, Features]:
        """The numbers of each modality, see :meth:`numbers`."""
        return {modality: self.numbers(modality) for modality in self.blocks}

    def numbers(self, modality: str) -> Features:
        """Return the numbers of a modality's rows, NaN where missing.

        Sequences are summed up, see :meth:`Sequences.numbers`.

        Raises
        ------
        UnknownVariableError
            If there is no such modality.
        LearningError
            If it is of texts.
        """
        block = self.block(modality)
        if isinstance(block, Texts):
            raise LearningError(f"the modality '{modality}' is of texts, and no table of numbers")
        return block.numbers()

    def block(self, modality: str) -> Block:
        """Return the rows of one modality.

        Raises
        ------
        UnknownVariableError
            If there is none of that name.
        """
        if modality not in self.blocks:
            hint = suggestion(modality, self.blocks)
            raise UnknownVariableError(f"{self.origin} have no modality '{modality}'{hint}")
        return self.blocks[modality]

    @property
    def counts(self) -> Float64[np.ndarray, " rows"]:
        """How much each row counts: its weight, or one."""
        return np.ones(len(self)) if self.weights is None else self.weights

    def rows(self, index: Rows) -> MultimodalData:
        """Return some of the rows, in the order asked for; by a mask, too."""
        blocks = {modality: block.take(index) for modality, block in self.blocks.items()}
        return self._with(blocks, {name: a[index] for name, a in self._by_row().items()})

    def _by_row(self) -> dict[str, np.ndarray]:
        """What there is for each row beside the modalities."""
        arrays = {
            "target": None if self.outcome is None else self.outcome.labels,
            "groups": None if self.groups is None else self.groups.codes,
            "weights": self.weights,
            "times": self.times,
        }
        return {name: array for name, array in arrays.items() if array is not None}

    def _with(
        self, blocks: Mapping[str, Block], by_row: Mapping[str, np.ndarray]
    ) -> MultimodalData:
        """The same modalities, target and groups for other rows."""
        return replace(
            self,
            blocks=blocks,
            outcome=self.outcome and replace(self.outcome, labels=by_row["target"]),
            groups=self.groups and replace(self.groups, codes=by_row["groups"]),
            weights=by_row.get("weights"),
            times=by_row.get("times"),
        )

    def shuffled(self, seed: int) -> MultimodalData:
        """Return all rows in a random order."""
        return self.rows(np.random.default_rng(seed).permutation(len(self)))

    def join(self, *others: MultimodalData) -> MultimodalData:
        """Return these rows followed by those of other data; groups are told apart by their codes.

        Raises
        ------
        LearningError
            If modalities, columns or targets differ, or only some have groups, weights or times.
        """
        for other in others:
            if other.modalities != self.modalities:
                raise LearningError(
                    f"data of {', '.join(self.modalities)} cannot be joined with data of "
                    f"{', '.join(other.modalities)}"
                )
            there = self.outcome is not None and other.outcome is not None
            if there and not self.target.describes_same_as(other.target):
                raise LearningError(f"{self.target!r} cannot be joined with {other.target!r}")
        by_row = [data._by_row() for data in (self, *others)]
        for name in {name for arrays in by_row for name in arrays}:
            if any(name not in arrays for arrays in by_row):
                raise LearningError(f"only some of the data to be joined have {name}")
        return self._with(
            {
                m: block.join([other.blocks[m] for other in others])
                for m, block in self.blocks.items()
            },
            {name: np.concatenate([arrays[name] for arrays in by_row]) for name in by_row[0]},
        )

    def without(self, *modalities: str) -> MultimodalData:
        """Return the same rows in which some modalities are missing throughout."""
        emptied = {modality: self.block(modality).emptied() for modality in modalities}
        return replace(self, blocks={**self.blocks, **emptied})

    def only(self, *modalities: str) -> MultimodalData:
        """Return the same rows in which all other modalities are missing throughout."""
        for modality in modalities:
            self.block(modality)
        return self.without(*(m for m in self.blocks if m not in modalities))

    def without_groups(self) -> MultimodalData:
        """Return the same rows, each of which stands for itself."""
        return replace(self, groups=None)

    def cells(self, variables: Mapping[str, Variable]) -> dict[str, Any]:
        """Return what the rows say of a model's variables, by which they read as evidence.

        A variable is a modality of numbers as a whole, or a column; the target is no evidence.
        Columns that are no variables are left out.
        """
        columns: dict[str, Any] = {}
        for modality, block in self.blocks.items():
            if modality in variables and isinstance(block, Columns | Arrays):
                shape = variables[modality].shape
                columns[modality] = block.numbers().reshape(len(self), *shape)
            elif isinstance(block, Columns):
                columns |= block.cells()
        elements = elements_in(columns, variables)
        return {n: c for n, c in columns.items() if n in variables or n in elements}

    def columns(self) -> dict[str, Any]:
        """Return the rows as the columns of a table, by which models learn from them.

        Columns stand as they are called, labels of states in words; of an array, a sequence or a
        text each cell is one. Target, group, weight and time come last.
        """
        columns: dict[str, Any] = {}
        for modality, block in self.blocks.items():
            columns |= block.labelled(modality)
        if self.outcome is not None:
            columns[self.target.name] = labelled(self.target, self.outcome.labels)
        if self.groups is not None:
            columns[self.groups.name] = self.groups.codes
        others = {"weight": self.weights, "time": self.times}
        return columns | {name: array for name, array in others.items() if array is not None}

    def to_frame(self) -> Any:
        """Return :meth:`columns` as a pandas data frame.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        return pandas.DataFrame(self.columns())

    def arrays(self) -> Iterator[np.ndarray]:
        """Yield all that a result depends on."""
        for block in self.blocks.values():
            yield from block.arrays()
        yield from self._by_row().values()
