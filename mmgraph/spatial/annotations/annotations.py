"""Labels of a few pixels, from an array, an image of indices, or a table of places."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from mmgraph.formats.files import read_text
from mmgraph.graph.arrays import first_place
from mmgraph.graph.errors import FormatError, suggestion, warn_caller
from mmgraph.spatial.annotations.colour_labels import (
    Colour,
    as_bytes,
    is_colour,
    lost_colours,
    read_colours,
    unlabelled_hint,
)
from mmgraph.spatial.annotations.numbers import unlabelled_number, whole_numbers, wrapped
from mmgraph.spatial.annotations.tables import table_labels
from mmgraph.spatial.arrays import read_cells
from mmgraph.spatial.images.raster import PathLike, Raster, image_suffix
from mmgraph.spatial.images.reading import read_raster

UNLABELLED = -1
"""The class index of a pixel that nobody has labelled."""

Classes = Sequence[object] | Mapping[Any, object]
"""Names of classes in order, or by colour."""

Unlabelled = int | Colour | None
"""The number or the colour of pixels without a label."""

_NAMED_COLOUR = re.compile(r"(#[0-9A-Fa-f]{6}|white|black)\s+(\S.*)")


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
    colours : tuple of str or None
        ``#RRGGBB`` of each class, where the labels were drawn in colours.
    """

    codes: Int64[np.ndarray, "*shape"]
    classes: tuple[str, ...]
    values: tuple[int, ...]
    colours: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        array: object,
        classes: Classes | None = None,
        *,
        unlabelled: Unlabelled = None,
        source: str = "the annotations",
    ) -> Annotations:
        """Read annotations from an array of numbers or of colours.

        Parameters
        ----------
        array : array-like
            Whole numbers, one a pixel; or colours, one a class: ``uint8``, or floats from 0 to 1,
            of shape ``(height, width, 3)``, or 4 with opacity. A pixel is unlabelled where it has
            the unlabelled value, is NaN, transparent, or hidden by a mask.
        classes : sequence or mapping, optional
            Names of the numbers 0, 1, 2, … in order, the unlabelled one left out; of colours a
            mapping of colour to name, and all other colours are unlabelled. By default the numbers
            or colours that occur are the classes, and are their own names.
        unlabelled : int or colour, optional
            The number of pixels without a label, by default -1; or their colour (``"#RRGGBB"``,
            ``"white"``, ``"black"``, three numbers). By default, of an image with transparent
            pixels no colour; else white or black, whichever is clearly the background.
        source : str
            What the array is called in errors.

        Raises
        ------
        FormatError
            If the array is not one of whole numbers or colours, a number has no name, the largest
            number of an unsigned type looks like a -1 that was wrapped around, or it cannot be
            told which colour is unlabelled.

        Warns
        -----
        AnnotationWarning
            If no pixel has a colour that is named, and some have one that is near it.
        """
        cells, hidden = read_cells(array, source, FormatError)
        if is_colour(cells):
            image = as_bytes(cells)
            return cls._of_colours(image, np.asarray(hidden.any(-1)), classes, unlabelled, source)
        number = unlabelled_number(unlabelled, UNLABELLED, source)
        numbers = whole_numbers(cells, hidden, number, source)
        if (note := wrapped(cells, numbers != number)) is not None:
            raise FormatError(f"{source}: {note}")
        return cls._of_numbers(numbers, classes, number, source)

    @classmethod
    def _of_numbers(
        cls,
        numbers: Int64[np.ndarray, "*shape"],
        classes: Classes | None,
        unlabelled: int,
        source: str,
    ) -> Annotations:
        known = numbers != unlabelled
        if classes is None:
            values = np.unique(numbers[known])
            names = tuple(str(value) for value in values.tolist())
        elif isinstance(classes, Mapping):
            raise FormatError(f"{source}: one number a pixel, whose classes are named in order")
        else:
            names = _distinct(classes, source)
            values = np.array(_numbers_of(names, unlabelled))
        strange = known & ~np.isin(numbers, values)
        if strange.any():
            place = first_place(strange)
            listed = ", ".join(f"{v} {n}" for v, n in zip(values.tolist(), names, strict=True))
            raise FormatError(
                f"{source}: the pixel at {place} has the label {int(numbers[place])}, "
                f"which is no class ({listed})"
            )
        codes = np.where(known, np.searchsorted(values, numbers), UNLABELLED)
        return cls(codes.astype(np.int64), names, tuple(values.tolist()))

    @classmethod
    def _of_colours(
        cls,
        image: np.ndarray,
        hidden: np.ndarray,
        classes: Classes | None,
        unlabelled: Unlabelled,
        source: str,
    ) -> Annotations:
        read = read_colours(image, hidden, classes, unlabelled, source)
        for note in lost_colours(image, read):
            warn_caller(f"{source}: {note}", AnnotationWarning)
        values = tuple(range(1, len(read.names) + 1))
        return cls(read.numbers - 1, read.names, values, read.colours)


def _numbers_of(names: Sequence[str], unlabelled: int) -> tuple[int, ...]:
    """The numbers 0, 1, 2, … that stand for named classes, the unlabelled one left out."""
    numbers = (number for number in range(len(names) + 1) if number != unlabelled)
    return tuple(itertools.islice(numbers, len(names)))


def _distinct(classes: Sequence[object], source: str) -> tuple[str, ...]:
    names = tuple(str(name) for name in classes)
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None or not names:
        reason = "there are none" if twice is None else f"'{twice}' is there twice"
        raise FormatError(f"{source}: the classes must have different names; {reason}")
    return names


def read_classes(path: PathLike) -> tuple[str, ...] | dict[str, str]:
    """Return the names of classes from a text file, one a line; empty lines are left out.

    Where every line begins with a colour (``#FF0000 roof``), the names are given by colour.

    Raises
    ------
    FormatError
        If the file cannot be read, holds no name, or one twice.
    """
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    matches = [_NAMED_COLOUR.fullmatch(line) for line in lines]
    by_colour = [(match[1], match[2]) for match in matches if match is not None]
    if not by_colour or len(by_colour) < len(lines):
        return _distinct(lines, str(path))
    _distinct([colour.upper() for colour, _ in by_colour], str(path))
    return dict(by_colour)


def is_table(path: PathLike) -> bool:
    """Whether annotations are a table of places (``.csv``) rather than an image."""
    return Path(path).suffix.lower() == ".csv"


def read_annotations(
    path: PathLike,
    classes: Classes | None = None,
    *,
    unlabelled: Unlabelled = None,
    shape: tuple[int, ...] | None = None,
) -> Annotations:
    """Return the labels that a file gives some pixels.

    Parameters
    ----------
    path : path
        An image of whole numbers, or of colours, in any format but JPEG (of a palette the indices
        count, and what the file hides is unlabelled); or a ``.csv`` table with the columns ``row``,
        ``column`` and ``label``, and ``slice`` in a volume; all places count from 0.
    classes, unlabelled
        As for :meth:`Annotations.of`, but by default the unlabelled number is 0, unless the file
        says otherwise itself: where it holds -1, or 0 beside pixels that it hides (by its number
        for no data, NaN, a mask or transparency), these are unlabelled, and 0 is a class. A table
        holds names, or the numbers that an image would hold: where all its labels are among
        ``classes`` they are names, even if they look like numbers.
    shape : tuple of int, optional
        Of the image; a table needs it.

    Raises
    ------
    FormatError
        If the file is not what it should be; the message names the line or the pixel.

    Warns
    -----
    AnnotationWarning
        Of rows of a table whose number is the unlabelled one, as they say nothing; of a class
        whose number looks like a -1 that was wrapped around; of a file in which 0 is a class, as
        the file says otherwise what is unlabelled; and as :meth:`Annotations.of` does.
    """
    if not isinstance(path, str | os.PathLike):
        raise FormatError(
            f"read_annotations reads a file, and was given {type(path).__name__}; an array is read "
            "by Annotations.of(array), or given to label_image as it is"
        )
    if is_table(path):
        if shape is None:
            raise FormatError(f"{path}: a table of places needs the size of the image")
        if isinstance(classes, Mapping):
            raise FormatError(f"{path}: a table holds no colours; name its classes in order")
        silent = None if unlabelled is None else unlabelled_number(unlabelled, 0, str(path))
        return _from_table(path, classes, silent, shape)
    raster = read_raster(path, indices=True)
    in_numpy = image_suffix(path) in (".npy", ".npz")  # which do not say what an axis is
    if raster.has_bands or (in_numpy and is_colour(raster.values)):
        return Annotations._of_colours(*_drawn(path, raster), classes, unlabelled, str(path))
    cells, hidden = read_cells(raster.values, str(path), FormatError)
    hidden = hidden if raster.hidden is None else hidden | raster.hidden
    if unlabelled is None:
        number = _silent_number(cells[~hidden], bool(hidden.any()), classes, str(path))
    else:
        number = unlabelled_number(unlabelled, 0, str(path))
    numbers = whole_numbers(cells, hidden, number, str(path))
    if (note := wrapped(cells, numbers != number)) is not None:
        warn_caller(f"{path}: {note}", AnnotationWarning)
    return Annotations._of_numbers(numbers, classes, number, str(path))


def _silent_number(known: np.ndarray, hides: bool, classes: Classes | None, source: str) -> int:
    """Return the number of pixels without a label in a file: 0, or -1 if it says so otherwise.

    ``known`` are the numbers that it does not hide. Names for 1, 2, 3, … leave 0 unlabelled.
    """
    zero = bool((known == 0).any())
    if (known == UNLABELLED).any():
        rest = ", and 0 is a class" if zero else ""
        note = f"-1 stands for no label, as in arrays{rest}; unlabelled= would say otherwise"
    elif hides and zero and (classes is None or known.max() != len(classes)):
        note = (
            "the file says itself which pixels are missing (by its number for no data, NaN, a mask "
            f"or transparency), so that 0 is a class; if it is none, say {unlabelled_hint(0)}"
        )
    else:
        return 0
    warn_caller(f"{source}: {note}", AnnotationWarning)
    return UNLABELLED


def _drawn(
    path: PathLike, raster: Raster
) -> tuple[UInt8[np.ndarray, "height width bands"], Bool[np.ndarray, "height width"]]:
    """Return colours and what is hidden, or raise FormatError if the bands are no colours."""
    if not is_colour(raster.values):
        raise FormatError(
            f"{path} has {raster.values.shape[-1]} bands of {raster.values.dtype}; labels are one "
            "whole number a pixel (a grey image, or one with a palette) or colours of 8 bits, or "
            "floats from 0 to 1"
        )
    image = as_bytes(raster.values)
    if raster.hidden is None:
        return image, np.zeros(image.shape[:-1], bool)
    return image, raster.hidden if raster.hidden.ndim == 2 else np.asarray(raster.hidden.any(-1))


def _from_table(
    path: PathLike, classes: Sequence[object] | None, unlabelled: int | None, shape: tuple[int, ...]
) -> Annotations:
    labels = table_labels(path, shape)
    names = None if classes is None else _distinct(classes, str(path))
    named = names is not None and set(labels.values()) <= set(names)
    if not named and all(label.removeprefix("-").isdecimal() for label in labels.values()):
        silent = UNLABELLED if "-1" in labels.values() else 0
        silent = silent if unlabelled is None else unlabelled
        return _from_numbers(path, labels, names, silent, shape)
    names = tuple(dict.fromkeys(labels.values())) if names is None else names
    codes = np.full(shape, UNLABELLED, np.int64)
    for place, label in labels.items():
        if label not in names:
            raise FormatError(
                f"{path}: the label '{label}' of the pixel {place} is no class"
                f"{suggestion(label, names)}"
            )
        codes[place] = names.index(label)
    return Annotations(codes, names, _numbers_of(names, unlabelled or 0))


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
        warn_caller(
            f"{path}: {silent} of {len(labels)} pixels have the number {unlabelled}, which stands "
            "for no label",
            AnnotationWarning,
        )
    return Annotations.of(array, names, unlabelled=unlabelled, source=str(path))
