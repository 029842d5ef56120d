"""Emoji as two vendors draw them, with names and tags in many languages."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int, UInt8

from mmgraph.datasets.entries import read_files, read_member
from mmgraph.datasets.readers.groups import groups_by_keys
from mmgraph.graph.errors import needs, suggestion

LANGUAGES = (
    "bn", "da", "de", "en", "en-gb", "es", "es-mx", "et", "fi", "fr", "hi", "hu", "it", "ja", "ko",
    "lt", "ms", "nb", "nl", "pl", "pt", "ru", "sv", "th", "uk", "vi", "zh", "zh-hant",
)  # fmt: skip
"""What names and tags there are."""
VENDORS = ("google", "twitter")
"""Whose drawings there are."""
_SIDE = 32
_RASTER = _SIDE + 2  # a transparent pixel on each side
_ZERO_WIDTH_JOINER = "200D"
_PEOPLE = {"1F468", "1F469", "1F9D1"}  # man, woman, person
_WHO = re.compile(r"\b(man|woman|person|men|women|people|boy|girl|child|and)\b|:.*|\W+", re.I)
Values = TypeVar("Values")


class ByLanguage(Mapping[str, Values]):
    """Something in each of :data:`LANGUAGES`, read when it is first asked for."""

    def __init__(self, read: Callable[[str], Values]) -> None:
        self._read = functools.cache(read)

    def __getitem__(self, language: str) -> Values:
        if language not in LANGUAGES:
            raise KeyError(f"emoji have no {language!r}{suggestion(language, LANGUAGES)}")
        return self._read(language)

    def __contains__(self, language: object) -> bool:
        return language in LANGUAGES

    def __iter__(self) -> Iterator[str]:
        return iter(LANGUAGES)

    def __len__(self) -> int:
        return len(LANGUAGES)


@dataclass(frozen=True, eq=False)
class Emoji:
    """The emoji that both vendors draw, without skin tones, in the order of Unicode's charts.

    Attributes
    ----------
    characters : list of str
        Each emoji as text, of one or more code points.
    images : dict of array of uint8, shape (emoji, 32, 32, 4)
        Red, green, blue and opacity, by vendor: ``"google"`` and ``"twitter"``.
    names, tags : Mapping
        For each of :data:`LANGUAGES`, such as ``"en"``, ``"zh"``, ``"es"``: a name (str) and tags
        (tuple of str, sometimes empty) for each emoji. Read when first asked for.
    groups : array of int, shape (emoji,)
        Near duplicates have the same number: women, men and persons who do the same, families and
        couples, what is joined to the same first emoji (cat and black cat), drawings of a vendor
        that are equal in every pixel (some flags).
    categories, subcategories : list of str
        Such as ``"Animals & Nature"`` and ``"animal-mammal"``.
    """

    characters: list[str]
    images: dict[str, UInt8[np.ndarray, "emoji 32 32 4"]]
    names: Mapping[str, list[str]]
    tags: Mapping[str, list[tuple[str, ...]]]
    groups: Int[np.ndarray, "emoji"]
    categories: list[str]
    subcategories: list[str]


def load() -> Emoji:
    """Load the emoji; languages are read when they are asked for."""
    sheets = {f"package/img/{vendor}/sheets/32.png": vendor for vendor in VENDORS}
    contents = dict(read_files("emoji", "package/emoji.json", *sheets))
    rows = [
        row
        for row in json.loads(contents["package/emoji.json"])
        if row["category"] != "Component" and all(row[f"has_img_{vendor}"] for vendor in VENDORS)
    ]
    rows.sort(key=lambda row: row["sort_order"])
    images = {vendor: _cells(contents[sheet], rows) for sheet, vendor in sheets.items()}
    codes = [_code(row["unified"]) for row in rows]
    words = functools.cache(lambda language: _words(language, codes))
    names = ByLanguage(lambda language: [name for name, _ in words(language)])
    return Emoji(
        characters=["".join(chr(int(c, 16)) for c in row["unified"].split("-")) for row in rows],
        images=images,
        names=names,
        tags=ByLanguage(lambda language: [tags for _, tags in words(language)]),
        groups=_groups(rows, names["en"], images),
        categories=[row["category"] for row in rows],
        subcategories=[row["subcategory"] for row in rows],
    )


def _cells(sheet: bytes, rows: list[dict[str, Any]]) -> UInt8[np.ndarray, "emoji 32 32 4"]:
    """The drawings of these emoji, cut out of a sheet."""
    with needs("images", "pillow", "reading the drawings of emoji"):
        from PIL import Image
    with Image.open(io.BytesIO(sheet)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    down, right = (len(pixels) // _RASTER, pixels.shape[1] // _RASTER)
    cells = pixels.reshape(down, _RASTER, right, _RASTER, 4)[:, 1:-1, :, 1:-1]
    places = np.array([(row["sheet_y"], row["sheet_x"]) for row in rows])
    return cells.transpose(0, 2, 1, 3, 4)[places[:, 0], places[:, 1]]


def _code(unified: str) -> str:
    """An emoji's code points without the sign that says that it is one, which sources differ in."""
    return "-".join(point for point in unified.split("-") if point != "FE0F")


def _words(language: str, codes: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Name and tags of each emoji in one language."""
    entries = json.loads(read_member("emoji", f"package/{language}/compact.json"))
    by_code = {_code(one["hexcode"]): one for one in entries}
    return [(by_code[code]["label"], tuple(by_code[code].get("tags", ()))) for code in codes]


def _groups(
    rows: list[dict[str, Any]],
    names: list[str],
    images: dict[str, UInt8[np.ndarray, "emoji 32 32 4"]],
) -> Int[np.ndarray, "emoji"]:
    keys: list[set[Hashable]] = []
    for place, (row, name) in enumerate(zip(rows, names, strict=True)):
        own: set[Hashable] = {(vendor, drawn[place].tobytes()) for vendor, drawn in images.items()}
        first = _code(row["unified"]).split(f"-{_ZERO_WIDTH_JOINER}-")[0]
        if first not in _PEOPLE:
            own.add(("first", first))
        if row["category"] == "People & Body":
            own.add(("who", _WHO.sub(" ", name).strip()))
        keys.append(own)
    return groups_by_keys(keys)
