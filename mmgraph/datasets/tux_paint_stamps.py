"""The stamps of Tux Paint: small pictures with captions in many languages."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mmgraph.datasets.entries import read_files
from mmgraph.datasets.readers.groups import groups_by_keys
from mmgraph.datasets.readers.unpacked import unpacked, write_below

_STAMPS = "usr/share/tuxpaint/stamps/"
_SPOKEN = "_desc"  # stands in the names of recordings in which a caption is read aloud
_TRANSLATION = re.compile(r"([\w@]+)\.utf8=(.*)")
_VARIANT = re.compile(r"(_?(outline|filled|new|old|photo)|[\W\d_])+$")


@dataclass(frozen=True, eq=False)
class TuxPaintStamps:
    """The stamps that are PNG files and have a caption, in the order of their paths.

    Drawings that the package has as SVG alone, and captions read aloud, are left out.

    Attributes
    ----------
    images : list of Path
        PNG files in the cache.
    captions : dict of list of (str or None)
        For each language a caption of each stamp, None where it is not translated. Languages are
        named as Tux Paint does: ``"en"`` (complete), ``"es"``, ``"zh_CN"``, ``"pt_BR"``.
    sounds : list of (Path or None)
        The sound of the thing itself, an Ogg Vorbis or WAV file in the cache.
    categories : list of str
        Folder of each stamp, such as ``"animals/birds"``.
    groups : array of int, shape (stamps,)
        The same number for stamps of one folder whose names differ in a numeral or a variant alone
        (``frog``, ``frog-1``), and for stamps with the same English caption.
    """

    images: list[Path]
    captions: dict[str, list[str | None]]
    sounds: list[Path | None]
    categories: list[str]
    groups: Int[np.ndarray, "stamps"]


def load() -> TuxPaintStamps:
    """Load the stamps. The first call unpacks them into the cache, which takes about a minute."""
    folder = unpacked("tux_paint_stamps", _unpack)
    images = [p for p in sorted(folder.rglob("*.png")) if p.with_suffix(".txt").is_file()]
    texts = [_captions(path.with_suffix(".txt").read_text("utf-8")) for path in images]
    languages = sorted({language for text in texts for language in text})
    categories = [path.parent.relative_to(folder).as_posix() for path in images]
    keys: list[list[Hashable]] = [
        [(category, _VARIANT.sub("", path.stem) or path.stem), text["en"]]
        for category, path, text in zip(categories, images, texts, strict=True)
    ]
    return TuxPaintStamps(
        images=images,
        captions={one: [text.get(one) for text in texts] for one in languages},
        sounds=[_sound(path) for path in images],
        categories=categories,
        groups=groups_by_keys(keys),
    )


def _unpack(folder: Path) -> None:
    kinds = [f"{_STAMPS}*{suffix}" for suffix in (".png", ".txt", ".ogg", ".wav")]
    for name, content in read_files("tux_paint_stamps", *kinds):
        if _SPOKEN not in name:
            write_below(folder, name.removeprefix(_STAMPS), content)


def _captions(text: str) -> dict[str, str]:
    """Captions by language: the first line is English, others are ``es.utf8=Una rana.``"""
    first, *lines = text.splitlines()
    found = {match[1]: match[2] for line in lines if (match := _TRANSLATION.fullmatch(line))}
    return {one: caption.strip() for one, caption in found.items() if caption.strip()} | {
        "en": first.strip()
    }


def _sound(image: Path) -> Path | None:
    files = (image.with_suffix(suffix) for suffix in (".ogg", ".wav"))
    return next((file for file in files if file.is_file()), None)
