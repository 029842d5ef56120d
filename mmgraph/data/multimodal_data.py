"""Rows of several modalities, made of frames, files, arrays and folders; and as tables again."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmgraph.data.blocks.arrays import Arrays
from mmgraph.data.blocks.block import Features, finite_numbers
from mmgraph.data.blocks.columns import Columns, labelled
from mmgraph.data.groups import Codes, Groups, coded_groups
from mmgraph.data.images.folder import read_folder
from mmgraph.data.modality_rows import ModalityRows
from mmgraph.data.reading import Outcome, block_of, coded_outcome, numbered_times, read_rows
from mmgraph.data.schema.schema import Schema
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import needs
from mmgraph.graph.variable import Variable


@dataclass(frozen=True, eq=False, repr=False)
class MultimodalData(ModalityRows):
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
    row_names : ndarray of str, optional
        Where each row comes from: of a folder, the paths within it.

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

    @classmethod
    def of(
        cls,
        modalities: Mapping[str, Any],
        target: object = None,
        *,
        name: str = "target",
        groups: object = None,
        weights: object = None,
        times: object = None,
    ) -> MultimodalData:
        """Return data from arrays, lists and frames, one for each modality.

        Parameters
        ----------
        modalities : mapping of str to table, array or sequence
            A data frame is columns; a series is one, or texts; an array ``(rows, columns)`` of
            numbers is columns without names; one with more axes holds an array a row; a list of
            arrays is sequences, each of its own length; a list of texts is texts. None, or NaN
            throughout, is a missing row.
        target : sequence, optional
            A label for each row; of real numbers the target is continuous.
        name : str
            What the target is called.
        groups : sequence, optional
            What each row belongs to.
        weights : sequence of float, optional
            How much each row counts.
        times : sequence, optional
            When each row was taken: numbers in any unit, or dates as numpy holds them (which become
            seconds since 1970). By these, blocks and folds in time are cut.

        Raises
        ------
        LearningError
            If a modality is nothing of that kind (which), or rows differ in number.
        """
        return cls(
            {modality: block_of(modality, given) for modality, given in modalities.items()},
            None if target is None else coded_outcome(name, target),
            None if groups is None else coded_groups("group", groups),
            None if weights is None else finite_numbers("weights", weights),
            None if times is None else numbered_times(times),
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
            Options of :func:`mmgraph.open_table`, in the place of those that the schema keeps.

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
        return cls(*read_rows(described.open(data, **reading), described, partial))

    @classmethod
    def of_folder(
        cls,
        directory: str | os.PathLike[str],
        *,
        modalities: Collection[str] | None = None,
        modality: str = "image",
        target: str = "class",
        size: tuple[int, int] | None = None,
        colour: bool | None = None,
    ) -> MultimodalData:
        """Return the images of a folder, an array (height, width, channels) in [0, 1] each.

        Of ``CLASS/FILE`` the folder is the row's class, of files alone there is no target. Of
        ``MODALITY/CLASS/FILE``, files of one class and name (but for its ending) are one row, from
        which a modality without such a file is missing. Classes and rows are in natural order (9
        before 10), and ``row_names`` are paths in the folder, of several modalities without these
        and endings.

        Parameters
        ----------
        directory : path
        modalities : collection of str, optional
            The folders that are modalities; others are passed over. By default those that hold
            folders of images.
        modality, target : str
            What images of one modality, and their classes, are called.
        size : (height, width), optional
            To which images are resized; by default those of a modality are of one size.
        colour : bool, optional
            Whether all become RGB, or grey; by default those of a modality are either throughout.

        Raises
        ------
        FormatError
            If there is no folder, or no image in it; a file is no image or lies at another depth
            than the others, or two of a modality are the same row (which).
        LearningError
            If images of a modality differ in size or channels (which two), or folders look like
            modalities and share no row.
        MemoryBudgetError
            If images would take more than half of the memory.

        Warns
        -----
        SkippedFilesWarning
            If files are hidden or no images, or a folder has none (how many).
        """
        return cls(**read_folder(Path(directory), modalities, modality, target, size, colour))

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
        """Return :meth:`columns` as a pandas data frame, by the names of rows where they have some.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame"):
            import pandas
        return pandas.DataFrame(self.columns(), self.row_names)
