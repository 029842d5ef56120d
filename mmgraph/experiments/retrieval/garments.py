"""Drawings of garments by several hands: two vendors' emoji, and stamps of Tux Paint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import UInt8

from mmgraph.graph.errors import needs

if TYPE_CHECKING:
    from mmgraph.datasets.emoji import Emoji
    from mmgraph.datasets.tux_paint_stamps import TuxPaintStamps

LANGUAGES = ("en", "zh", "es")
_NO_GARMENTS = "🪭🛍📿🪮💄💍💎"
"""What Unicode files under clothing, too: fan, bags of a shop, beads, comb, lipstick, jewels."""
_STAMPS = {
    **{"tophat": "🎩", "t_baseballcap": "🧢", "t_glove": "🧤", "t_jacket": "🧥"},
    **{"t_pants": "👖", "t_scarf": "🧣", "t_sock": "🧦", "t_tshirt": "👕"},
}
"""Stamps, and the emoji of the same garment, whose names they take: they have no Chinese ones."""
_LARGEST_SIDE = 128


class Drawing(NamedTuple):
    """A drawing of a garment, whose name is known by language, and whose drawing it is."""

    names: Mapping[str, str]
    source: str
    picture: UInt8[np.ndarray, "height width 4"]


def garment_drawings(emoji: Emoji, stamps: TuxPaintStamps) -> list[Drawing]:
    """Return all drawings of garments; stamps are scaled down to 128 pixels."""
    with needs("images", "pillow", "reading the stamps of Tux Paint"):
        from PIL import Image
    by_name = {path.stem: path for path in stamps.images}
    stamp_of = {garment: by_name[stem] for stem, garment in _STAMPS.items()}
    drawings = []
    for place, character in enumerate(emoji.characters):
        garment = character[0]  # without the sign that says that it is an emoji
        if emoji.subcategories[place] != "clothing" or garment in _NO_GARMENTS:
            continue
        names = {language: emoji.names[language][place] for language in LANGUAGES}
        drawings += [Drawing(names, vendor, all_[place]) for vendor, all_ in emoji.images.items()]
        if garment in stamp_of:
            with Image.open(stamp_of[garment]) as image:
                image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
                picture = np.asarray(image.convert("RGBA"))
            drawings.append(Drawing(names, "tux_paint_stamps", picture))
    return drawings
