"""Labels drawn in colours: a class a colour, and one colour, or none, for what is unlabelled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.arrays import is_real

Colour = str | Sequence[float]
"""``"#RRGGBB"``, ``"white"``, ``"black"``, or red, green and blue: whole numbers from 0 to 255, or
floats from 0 to 1. A fourth number, opacity, says nothing."""

_NAMED = {"white": 0xFFFFFF, "black": 0x000000}
_HEX = re.compile(r"#?([0-9A-Fa-f]{6})")
_MOST = 64
"""More colours than this are soft edges, a lossy file or a photograph, and no classes."""

_NEAR = 8
"""Colours are taken for one another where no band differs by more."""

_NAMED_NEAR = 3


@dataclass(frozen=True, eq=False)
class ColourLabels:
    """Labels that were read from colours: numbers from 1 on, 0 where a pixel is unlabelled.

    Each number has a name (the colour itself where none was given), and a colour ``#RRGGBB``.
    """

    numbers: Int64[np.ndarray, "height width"]
    names: tuple[str, ...]
    colours: tuple[str, ...]


def is_colour(array: np.ndarray) -> bool:
    """Whether an array holds three or four bytes a pixel, or as many floats from 0 to 1.

    Labels of so narrow a volume are told from colours by their type, ``int64`` for one.
    """
    if array.ndim != 3 or array.shape[2] not in (3, 4) or not array.size:
        return False
    if array.dtype == np.uint8:
        return True
    return array.dtype.kind == "f" and bool(((array >= 0) & (array <= 1)).all())


def refuse_wide_colours(
    array: np.ndarray,
    hidden: Bool[np.ndarray, "..."],
    sensors: Sequence[tuple[int, ...]],
    named: bool,
) -> None:
    """Refuse colours of another type beside images, as they would be read as labels of a volume."""
    if array.ndim != 3 or array.shape[2] not in (3, 4) or not array.size or is_colour(array):
        return
    if not any(len(shape) in (2, 3) and shape[:2] == array.shape[:2] for shape in sensors):
        return
    bytes_alone = not hidden.any() and array.min() >= 0 and array.max() <= 255
    if named or array.shape not in sensors or (bytes_alone and array.max() > _MOST):
        raise FormatError(
            f"the annotations are {array.dtype} of shape {array.shape} beside images of "
            f"{array.shape[0]} x {array.shape[1]} pixels; colours are uint8 or floats from 0 to 1 "
            "(labels of a volume go with sensors of shape (depth, height, width, 1))"
        )


def as_bytes(array: np.ndarray) -> UInt8[np.ndarray, "height width bands"]:
    """Return colours as bytes, of which floats are shares of 255."""
    if array.dtype == np.uint8:
        return array
    return np.round(255 * array).astype(np.uint8)


def unlabelled_hint(value: int | str) -> str:
    """Return how to say that a number or a colour stands for no label, in Python and in a shell."""
    return f"unlabelled={value!r} (on the command line --unlabelled {value!r})"


def read_colours(
    image: UInt8[np.ndarray, "height width bands"],
    hidden: Bool[np.ndarray, "height width"],
    classes: Sequence[object] | Mapping[Any, object] | None,
    unlabelled: Colour | int | None,
    source: str,
) -> ColourLabels:
    """Return the labels that colours stand for.

    What a fourth band, opacity, makes wholly transparent is unlabelled, as is what is hidden.

    Parameters
    ----------
    classes : mapping of colour to name, optional
        Then only these colours are classes, and all others unlabelled: strokes may lie on a
        photograph. By default every colour is a class, and its own name.
    unlabelled : colour, optional
        By default, where something is transparent or hidden, no colour; else white or black,
        whichever covers more than half of the image, or is there alone and the commonest colour.
    """
    numbers = _packed(image)
    if image.shape[2] == 4:
        hidden = hidden | (image[..., 3] == 0)
    if isinstance(classes, Mapping):
        named = {_number(colour, source): str(name) for colour, name in classes.items()}
        _check_names(named, len(classes), source)
        silent = None if unlabelled is None else _number(unlabelled, source)
        named.pop(-1 if silent is None else silent, None)
    else:
        drawn = np.unique(numbers[~hidden]).tolist()
        if len(drawn) > _MOST:
            raise FormatError(
                f"{source}: {len(drawn):,} colours, too many for a class each: strokes with soft "
                "edges, a lossy file or a photograph below them. Draw with a hard pencil on an "
                "empty layer, or name the colours that count as classes, by a mapping such as "
                "{'#FF0000': 'roof'} or in a file of lines such as '#FF0000 roof'"
            )
        silent = _background(numbers, hidden, unlabelled, source)
        named = {colour: _text(colour) for colour in drawn if colour != silent}
        if classes is not None:
            listed = ", ".join(named.values())
            raise FormatError(
                f"{source}: name classes drawn in colours one by one, by a mapping such as "
                f"{{'#FF0000': 'roof'}} or in a file of lines such as '#FF0000 roof'; the colours "
                f"are {listed}"
            )
    codes = np.zeros(numbers.shape, np.int64)
    for code, colour in enumerate(named, start=1):
        codes[(numbers == colour) & ~hidden] = code
    return ColourLabels(codes, tuple(named.values()), tuple(_text(colour) for colour in named))


def _background(
    numbers: Int64[np.ndarray, "height width"],
    hidden: Bool[np.ndarray, "height width"],
    unlabelled: Colour | int | None,
    source: str,
) -> int | None:
    """Return the colour of unlabelled pixels, None where transparency says which those are."""
    if unlabelled is not None:
        return _number(unlabelled, source)
    if hidden.any():
        return None
    colours, counts = np.unique(numbers, return_counts=True)
    most = int(colours[counts.argmax()])
    others = [c for c in _NAMED.values() if c != most and c in colours]
    if most not in _NAMED.values() or (others and counts.max() <= numbers.size / 2):
        raise FormatError(
            f"{source}: nothing is transparent, and neither white nor black is clearly the "
            f"background (the commonest colour is {_text(most)}); say which colour is unlabelled: "
            f"{unlabelled_hint(_text(most))}"
        )
    return most


def _number(colour: Colour | int | object, source: str) -> int:
    """Return a colour as one number, ``0xRRGGBB``."""
    if isinstance(colour, str):
        match = _HEX.fullmatch(colour.strip())
        if colour.strip().lower() in _NAMED:
            return _NAMED[colour.strip().lower()]
        if match is not None:
            return int(match[1], 16)
    elif isinstance(colour, Sequence | np.ndarray) and len(colour) in (3, 4):
        bands: list[Any] = list(colour)
        shares = not all(isinstance(part, Integral) for part in bands)
        if all(is_real(part) and 0 <= part <= (1 if shares else 255) for part in bands):
            red, green, blue = (round(255 * float(x)) if shares else int(x) for x in bands[:3])
            return (red << 16) | (green << 8) | blue
    raise FormatError(
        f"{source}: {colour!r} is no colour; '#RRGGBB', 'white', 'black', or three whole numbers "
        "from 0 to 255, or floats from 0 to 1, were expected"
    )


def _packed(image: UInt8[np.ndarray, "height width bands"]) -> Int64[np.ndarray, "height width"]:
    """Return each pixel's colour as one number, ``0xRRGGBB``."""
    return np.asarray(image[..., :3].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1]))


def _text(number: int) -> str:
    return f"#{number:06X}"


def _check_names(named: Mapping[int, str], count: int, source: str) -> None:
    if not named or len(named) < count or len(set(named.values())) < count:
        raise FormatError(f"{source}: classes are different colours with different names")


def lost_colours(image: UInt8[np.ndarray, "height width bands"], labels: ColourLabels) -> list[str]:
    """Say of each named colour that no pixel has which others are near it and have no name."""
    absent = [
        (name, colour)
        for code, (name, colour) in enumerate(zip(labels.names, labels.colours, strict=True), 1)
        if not (labels.numbers == code).any()
    ]
    if not absent:
        return []
    free = np.unique(_packed(image)[labels.numbers == 0])
    bands = np.stack([free >> 16, (free >> 8) & 255, free & 255], -1)
    notes = []
    for name, colour in absent:
        distance = np.abs(bands - list(bytes.fromhex(colour[1:]))).max(1)
        order = np.argsort(distance, kind="stable")[:_NAMED_NEAR]
        near = [_text(number) for number in free[order[distance[order] <= _NEAR]].tolist()]
        if near:
            notes.append(
                f"no pixel has the colour {colour} of '{name}'; near it: {', '.join(near)}"
            )
    return notes
