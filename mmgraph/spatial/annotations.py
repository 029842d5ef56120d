"""Labels of a few pixels, from an array, an image of indices, or a table of places."""

from __future__ import annotations

import csv
import io
import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from mmgraph.formats.files import read_text
from mmgraph.graph.errors import FormatError, suggestion
from mmgraph.spatial.images import PathLike, read_raster

UNLABELLED = -1
"""The class index of a pixel that nobody has labelled."""


class AnnotationWarning(UserWarning):
    """Annotations that may not say what was meant."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """What is known of some pixels.

    Attributes
    ----------
    codes : ndarray of int64, shape (height, width) or (depth, height, width)
        Indices into ``classes``; ``UNLABELLED`` (-1) where nothing is known.
    classes : tuple of str
        The names of the classes.
    values : tuple of int
        The number that stands for each class in files.
    """

    codes: Int64[np.ndarray, "*shape"]
    classes: tuple[str, ...]
    values: tuple[int, ...]

    @classmethod
    def of(
        cls,
        array: object,
        classes: Sequence[object] | None = None,
        *,
        unlabelled: int = UNLABELLED,
        source: str = "the annotations",
    ) -> Annotations:
        """Read annotations from an array of numbers.

        Parameters
        ----------
        array : array-like
            Whole numbers, one a pixel; NaN and the unlabelled value where nothing is known.
        classes : sequence, optional
            Names of the numbers 0, 1, 2, … in order, the unlabelled one left out. By default the
            numbers that occur are the classes, and are their own names.
        unlabelled : int, default -1
            The number of pixels without a label.
        source : str
            What the array is called in errors.

        Raises
        ------
        FormatError
            If the array is not one of whole numbers, or a number has no name.
        """
        numbers = _whole_numbers(array, unlabelled, source)
        known = numbers != unlabelled
        if classes is None:
            values = np.unique(numbers[known])
            names = tuple(str(value) for value in values.tolist())
        else:
            names = _distinct(classes, source)
            values = np.array(_numbers_of(names, unlabelled))
        strange = known & ~np.isin(numbers, values)
        if strange.any():
            place = tuple(int(i) for i in np.argwhere(strange)[0])
            listed = ", ".join(f"{v} {n}" for v, n in zip(values.tolist(), names, strict=True))
            raise FormatError(
                f"{source}: the pixel at {place} has the label {int(numbers[place])}, "
                f"which is no class ({listed})"
            )
        codes = np.where(known, np.searchsorted(values, numbers), UNLABELLED)
        return cls(codes.astype(np.int64), names, tuple(values.tolist()))


def _numbers_of(names: Sequence[str], unlabelled: int) -> tuple[int, ...]:
    """The numbers 0, 1, 2, … that stand for named classes, the unlabelled one left out."""
    numbers = (number for number in range(len(names) + 1) if number != unlabelled)
    return tuple(itertools.islice(numbers, len(names)))


def _whole_numbers(array: object, unlabelled: int, source: str) -> Int64[np.ndarray, "*shape"]:
    numbers = np.asarray(array)
    if numbers.dtype.kind not in "biuf" or numbers.ndim not in (2, 3) or not numbers.size:
        raise FormatError(
            f"{source}: {numbers.dtype} of shape {numbers.shape}; one whole number a pixel was "
            "expected, (height, width) or (depth, height, width)"
        )
    if numbers.dtype.kind == "f":
        numbers = np.where(np.isnan(numbers), unlabelled, numbers)
        broken = ~np.isfinite(numbers) | (numbers != np.floor(numbers))
        if broken.any():
            place = tuple(int(i) for i in np.argwhere(broken)[0])
            raise FormatError(f"{source}: the label at {place} is {numbers[place]}, no number")
    return numbers.astype(np.int64)


def _distinct(classes: Sequence[object], source: str) -> tuple[str, ...]:
    names = tuple(str(name) for name in classes)
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None or not names:
        reason = "there are none" if twice is None else f"'{twice}' is there twice"
        raise FormatError(f"{source}: the classes must have different names; {reason}")
    return names


def read_classes(path: PathLike) -> tuple[str, ...]:
    """Return the names of classes from a text file, one a line; empty lines are left out.

    Raises
    ------
    FormatError
        If the file cannot be read, holds no name, or one twice.
    """
    names = [line.strip() for line in read_text(path).splitlines()]
    return _distinct([name for name in names if name], str(path))


def is_table(path: PathLike) -> bool:
    """Whether annotations are a table of places (``.csv``) rather than an image."""
    return Path(path).suffix.lower() == ".csv"


def read_annotations(
    path: PathLike,
    classes: Sequence[object] | None = None,
    *,
    unlabelled: int = 0,
    shape: tuple[int, ...] | None = None,
) -> Annotations:
    """Return the labels that a file gives some pixels.

    Parameters
    ----------
    path : path
        An image of whole numbers in any format but JPEG (of a palette the indices count, and what
        the file hides is unlabelled), or a ``.csv`` table with the columns ``row``, ``column`` and
        ``label``, and ``slice`` in a volume; all places count from 0.
    classes, unlabelled
        As for :meth:`Annotations.of`. A table holds names, or the numbers that an image would hold:
        where all its labels are among ``classes`` they are names, even if they look like numbers.
    shape : tuple of int, optional
        Of the image; a table needs it.

    Raises
    ------
    FormatError
        If the file is not what it should be; the message names the line or the pixel.

    Warns
    -----
    AnnotationWarning
        Of rows of a table whose number is the unlabelled one, as they say nothing.
    """
    if is_table(path):
        if shape is None:
            raise FormatError(f"{path}: a table of places needs the size of the image")
        return _from_table(path, classes, unlabelled, shape)
    raster = read_raster(path, indices=True)
    if raster.has_bands:
        raise FormatError(
            f"{path} has {raster.values.shape[-1]} bands of colour; labels are one whole number a "
            "pixel (a grey image, or one with a palette)"
        )
    return Annotations.of(raster.array(), classes, unlabelled=unlabelled, source=str(path))


def table_dimensions(path: PathLike) -> int:
    """Return 3 if a table of places has the column ``slice``, else 2."""
    header = next(csv.reader(io.StringIO(read_text(path))), [])
    return 3 if "slice" in [name.strip() for name in header] else 2


def _from_table(
    path: PathLike, classes: Sequence[object] | None, unlabelled: int, shape: tuple[int, ...]
) -> Annotations:
    labels = _table_labels(path, shape)
    given = None if classes is None else _distinct(classes, str(path))
    named = given is not None and set(labels.values()) <= set(given)
    if not named and all(label.removeprefix("-").isdecimal() for label in labels.values()):
        return _from_numbers(path, labels, given, unlabelled, shape)
    names = tuple(dict.fromkeys(labels.values())) if given is None else given
    codes = np.full(shape, UNLABELLED, np.int64)
    for place, label in labels.items():
        if label not in names:
            raise FormatError(
                f"{path}: the label '{label}' of the pixel {place} is no class"
                f"{suggestion(label, names)}"
            )
        codes[place] = names.index(label)
    return Annotations(codes, names, _numbers_of(names, unlabelled))


def _from_numbers(
    path: PathLike,
    labels: Mapping[tuple[int, ...], str],
    names: Sequence[str] | None,
    unlabelled: int,
    shape: tuple[int, ...],
) -> Annotations:
    """Read numbers as an image would hold them."""
    array = np.full(shape, unlabelled, np.int64)
    for place, label in labels.items():
        try:
            array[place] = int(label)
        except OverflowError:
            raise FormatError(
                f"{path}: the label {label} of the pixel {place} is too large"
            ) from None
    silent = sum(int(label) == unlabelled for label in labels.values())
    if silent:
        warnings.warn(
            f"{path}: {silent} of {len(labels)} pixels have the number {unlabelled}, which stands "
            "for no label",
            AnnotationWarning,
            stacklevel=4,
        )
    return Annotations.of(array, names, unlabelled=unlabelled, source=str(path))


def _table_labels(path: PathLike, shape: tuple[int, ...]) -> dict[tuple[int, ...], str]:
    """Read what a table says of each pixel, as text."""
    reader = csv.DictReader(io.StringIO(read_text(path)), skipinitialspace=True)
    columns = ("slice", "row", "column")[-len(shape) :]
    for name in (*columns, "label"):
        if name not in (reader.fieldnames or ()):
            found = ", ".join(reader.fieldnames or ()) or "nothing"
            hint = suggestion(name, reader.fieldnames or ())
            raise FormatError(f"{path}, line 1: no column '{name}' (found {found}){hint}")
    labels: dict[tuple[int, ...], str] = {}
    for record in reader:
        line = reader.line_num
        place = tuple(
            _index(record[name], name, size, f"{path}, line {line}")
            for name, size in zip(columns, shape, strict=True)
        )
        label = (record["label"] or "").strip()
        if not label:
            continue
        if labels.setdefault(place, label) != label:
            raise FormatError(
                f"{path}, line {line}: the pixel {place} is '{label}' here and "
                f"'{labels[place]}' above"
            )
    return labels


def _index(text: str | None, column: str, size: int, where: str) -> int:
    try:
        index = int(text or "")
    except ValueError:
        raise FormatError(f"{where}: the {column} is {text!r}, no whole number") from None
    if not 0 <= index < size:
        raise FormatError(f"{where}: the {column} {index} lies outside the image (0 to {size - 1})")
    return index
