"""Drawings of the Open Clip Art Library with titles and tags."""

from __future__ import annotations

import html
import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Int

from mmgraph.datasets.entries import read_files
from mmgraph.datasets.readers.groups import groups_by_keys
from mmgraph.datasets.readers.unpacked import unpacked, write_below

MAX_PIXELS = 30_000_000
"""Larger drawings are left out: unpacked, one takes more than 100 MB."""
_EDITION = 1
_DRAWINGS = "drawings.json"
_FOLDER = "usr/share/openclipart/"
_UNFIT = re.compile(r"(special|shapes|computer/icons|unsorted/duplicates)/")
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_TITLE, _SUBJECT, _CREATOR = (
    f"{{http://purl.org/dc/elements/1.1/}}{name}" for name in ("title", "subject", "creator")
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_COPIED_TITLE = re.compile(r"clip ?art by ", re.I)
_NO_TAG = re.compile(r"hash(\(0x[0-9a-f]+\))?|unsorted|0x[0-9a-f]+|[\W\d_]*")
# What the titles of one series differ in, beside numerals; many artists are Italian.
_VARIANTS = frozenset((
    "a", "and", "b", "bw", "the", "w", "black", "white", "grey", "gray", "red", "green", "blue",
    "yellow", "orange", "purple", "pink", "brown", "cyan", "magenta", "gold", "silver", "dark",
    "light", "bright", "nero", "bianco", "grigio", "rosso", "verde", "blu", "giallo", "arancio",
    "viola", "rosa", "marrone", "azzurro", "big", "small", "large", "little", "tall", "wide",
    "left", "right", "top", "bottom", "up", "down", "front", "back", "side", "outline", "contour",
    "silhouette", "filled", "simple", "plain", "version", "variant", "transparent", "color",
    "colour", "colored", "coloured", "colors", "new", "old", "one", "two", "three",
))  # fmt: skip
_NEAR = 0.8


@dataclass(frozen=True)
class _Drawing:
    """What the metadata of one drawing say."""

    path: str
    title: str
    tags: list[str]
    artist: str

    def words(self) -> frozenset[str]:
        """The words of title and tags that have three letters or more."""
        words = _WORD.findall(" ".join([self.title, *self.tags]).lower())
        return frozenset(word for word in words if len(word) > 2)


@dataclass(frozen=True, eq=False)
class OpenClipArt:
    """Drawings with captions, no two with the same words, in the order of the package.

    Left out are the folders of icons, plain shapes, special files and duplicates, drawings without
    a title or under the GPL, PNG files that equal another, and those of more than
    :data:`MAX_PIXELS`.

    Attributes
    ----------
    images : list of Path
        PNG files in the cache, of any size and mode, most with transparent parts.
    captions : list of str
        Title and tags, such as ``"Blue Eye, blue, eye, bodypart"``.
    titles : list of str
        Without underscores, numerals and the artist's name.
    tags : list of tuple of str
        As their artists and the librarians gave them, without those that say nothing (``"hash"``,
        numbers, the artist).
    artists : list of str
        Empty where unknown.
    categories : list of str
        Folder of each drawing, such as ``"animals/birds"``.
    groups : array of int, shape (drawings,)
        Series of one artist have the same number: titles that differ in numerals, colours and the
        like alone, or that share a word in captions that share four fifths of theirs.
    left_out : dict of int
        How many drawings were left out, by reason.
    """

    images: list[Path]
    captions: list[str]
    titles: list[str]
    tags: list[tuple[str, ...]]
    artists: list[str]
    categories: list[str]
    groups: Int[np.ndarray, "drawings"]
    left_out: dict[str, int]


def load() -> OpenClipArt:
    """Load the drawings. The first call unpacks them into the cache, which takes about a minute."""
    folder = unpacked("open_clip_art", _unpack, _EDITION)
    content = json.loads((folder / _DRAWINGS).read_text("utf-8"))
    drawings = [_Drawing(**one) for one in content["drawings"]]
    return OpenClipArt(
        images=[folder / one.path for one in drawings],
        captions=[_caption(one) for one in drawings],
        titles=[one.title for one in drawings],
        tags=[tuple(one.tags) for one in drawings],
        artists=[one.artist for one in drawings],
        categories=[PurePosixPath(one.path).parent.as_posix() for one in drawings],
        groups=_groups(drawings),
        left_out=content["left_out"],
    )


def _caption(drawing: _Drawing) -> str:
    title = drawing.title.casefold()
    return ", ".join([drawing.title, *(tag for tag in drawing.tags if tag.casefold() != title)])


def _unpack(folder: Path) -> None:
    """Write the chosen PNG files, and what is known of them, into a folder."""
    left_out: Counter[str] = Counter()
    described: dict[str, _Drawing] = {}
    chosen: dict[frozenset[str], _Drawing] = {}
    # The package of SVG files, which describe the drawings, comes first in the catalogue.
    for name, content in read_files("open_clip_art", f"{_FOLDER}svg/*.svg", f"{_FOLDER}png/*.png"):
        kind, path = name.removeprefix(_FOLDER)[:-4].split("/", 1)
        drawing = _described(path, content) if kind == "svg" else described.pop(path, None)
        if isinstance(drawing, str):
            left_out[drawing] += 1
        elif kind == "svg" and drawing:
            described[path] = drawing
        elif drawing:
            words = drawing.words()
            if (size := _pixels(content)) is None:
                left_out["damaged"] += 1
            elif size > MAX_PIXELS:
                left_out["too large"] += 1
            elif not words or words in chosen:
                left_out["same caption"] += 1
            else:
                chosen[words] = drawing
                write_below(folder, drawing.path, content)
    # Debian makes links of files that equal another, and links are not read.
    left_out["equal"] += len(described)
    record = {"drawings": [asdict(one) for one in chosen.values()], "left_out": dict(left_out)}
    (folder / _DRAWINGS).write_text(json.dumps(record), "utf-8")


def _described(path: str, content: bytes) -> _Drawing | str:
    """What an SVG file says of its drawing, or why that is left out."""
    if _UNFIT.match(path):
        return "folder"
    try:
        work = next(e for e in ElementTree.fromstring(content).iter() if e.tag.endswith("}Work"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return "damaged"
    except StopIteration:
        return "untitled"
    licences = [e.get(f"{_RDF}resource", "") for e in work if e.tag.endswith("}license")]
    if any("GPL" in licence for licence in licences):
        return "GPL"
    creator = work.find(_CREATOR)
    artist = "" if creator is None else " ".join(" ".join(creator.itertext()).split())
    subjects = work.findall(f"{_SUBJECT}/{_RDF}Bag/{_RDF}li")
    tags = [_spaced(e.text or "").lower() for e in subjects]
    tags = [tag for tag in tags if not _NO_TAG.fullmatch(tag) and tag != artist.lower()]
    title = _spaced(work.findtext(_TITLE, ""))
    # These were copied from drawing to drawing together with the frame of the file.
    if _COPIED_TITLE.match(title):
        title = PurePosixPath(path).name
    title = " ".join(_WORD.findall(_spaced(title)))
    if not title:
        return "untitled"
    return _Drawing(f"{path}.png", title, list(dict.fromkeys(tags)), artist)


def _pixels(png: bytes) -> int | None:
    """How many pixels a PNG file has; None if it is none."""
    # The first chunk begins with width and height (ISO/IEC 15948, 11.2.2).
    if png[:8] != b"\x89PNG\r\n\x1a\n" or len(png) < 24:
        return None
    return int.from_bytes(png[16:20]) * int.from_bytes(png[20:24])


def _spaced(text: str) -> str:
    return " ".join(html.unescape(text).replace("_", " ").split())


def _groups(drawings: list[_Drawing]) -> Int[np.ndarray, "drawings"]:
    keys: list[list[Hashable]] = []
    by_artist: defaultdict[str, list[int]] = defaultdict(list)
    titles = [_WORD.findall(one.title.lower()) for one in drawings]
    for place, (one, title) in enumerate(zip(drawings, titles, strict=True)):
        stem = tuple(word for word in title if word not in _VARIANTS) or tuple(title)
        keys.append([(one.artist, stem)])
        by_artist[one.artist].append(place)
    words = [one.words() for one in drawings]
    for places in by_artist.values():
        for first, second in combinations(places, 2):
            near = _NEAR * len(words[first] | words[second])
            if len(words[first] & words[second]) >= near and {*titles[first]} & {*titles[second]}:
                keys[first].append(("near", second))
                keys[second].append(("near", second))
    return groups_by_keys(keys)
