from __future__ import annotations

import struct

import numpy as np
import pytest

from mmgraph import datasets
from tests.datasets.packages.made import deb

SVG = """<svg xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><metadata><rdf:RDF><cc:Work>
<dc:title>{title}</dc:title><dc:creator><cc:Agent><dc:title>{artist}</dc:title></cc:Agent>
</dc:creator><dc:subject><rdf:Bag>{tags}</rdf:Bag></dc:subject>
<cc:license rdf:resource="http://web.resource.org/cc/{licence}"/></cc:Work></rdf:RDF></metadata></svg>"""


def svg(title: str, *tags: str, artist: str = "Ann", licence: str = "PublicDomain") -> bytes:
    items = "".join(f"<rdf:li>{tag}</rdf:li>" for tag in tags)
    return SVG.format(title=title, artist=artist, tags=items, licence=licence).encode()


def png(width: int = 1, height: int = 1) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


DRAWINGS = {
    "animals/cat_01": (svg("cat_01", "animal", "house_pet", "hash", "ann", "0x12ab", "Cat"), png()),
    "animals/cat_02": (svg("Red cat", "animal"), png()),
    "animals/cat_03": (svg("cat", "animal", "beast", artist="Bob"), png()),
    "animals/again": (svg("CAT", "house pet", "animal"), png()),
    "animals/bat": (svg("Clipart by Ann - contour_cat", "animal"), png()),
    "food/ice": (svg("Gelato all&amp;#39;italiana 2", "ice cream", "food", "sweet", "milk"), png()),
    "food/more": (svg("Gelato", "ice cream", "food", "sweet", "milk"), png()),
    "food/huge": (svg("pie"), png(6000, 6000)),
    "food/text": (svg("soup"), b"<html>" * 9),
    "food/gnu": (svg("gnu", licence="GPL"), png()),
    "food/untitled": (svg("01_"), png()),
    "food/bare": (b"<svg/>", png()),
    "food/damaged": (b"<svg>", png()),
    "food/equal": (svg("linked"), None),
    "shapes/square": (svg("square"), png()),
}


def test_drawings_are_chosen_and_described(made):
    folder = "usr/share/openclipart"
    both = [
        {f"{folder}/svg/{name}.svg": text for name, (text, _) in DRAWINGS.items()},
        {f"{folder}/png/{name}.png": image for name, (_, image) in DRAWINGS.items() if image},
    ]
    made("open_clip_art", *map(deb, both))
    data = datasets.load("open_clip_art")
    assert data.titles == ["cat", "Red cat", "cat", "bat", "Gelato all'italiana", "Gelato"]
    assert data.captions[0] == "cat, animal, house pet"
    assert data.tags[0] == ("animal", "house pet", "cat")
    assert data.artists == ["Ann", "Ann", "Bob", "Ann", "Ann", "Ann"]
    assert data.categories == ["animals"] * 4 + ["food"] * 2
    assert data.groups.tolist() == [0, 0, 1, 2, 3, 3]
    assert data.left_out == {
        "same caption": 1, "too large": 1, "damaged": 2, "GPL": 1, "untitled": 2, "equal": 1,
        "folder": 1,
    }  # fmt: skip
    assert data.images[0].read_bytes() == png()
    assert data.images[0].parts[-2:] == ("animals", "cat_01.png")
    assert datasets.read_member("open_clip_art", f"{folder}/svg/food/bare.svg") == b"<svg/>"


@pytest.mark.slow
def test_the_real_drawings():
    data = datasets.load("open_clip_art")
    assert len(data.images) == len(set(data.captions)) == 2410
    assert len(data.groups) == 2410
    assert data.groups.max() + 1 == 2137
    assert np.bincount(data.groups).max() == 29
    assert data.left_out["folder"] == 3543
    assert data.left_out["equal"] == 228
    assert all(path.is_file() for path in data.images)
