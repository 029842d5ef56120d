"""Drawings in other colours: their shading and outlines stay, their hue and lightness change."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8

from mmgraph.graph.errors import MmgraphError, check_choice

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (28, 28, 30),
    "white": (232, 232, 232),
    "grey": (130, 130, 130),
    "red": (205, 25, 35),
    "green": (40, 150, 60),
    "yellow": (245, 215, 30),
    "blue": (35, 90, 200),
    "brown": (125, 75, 35),
    "orange": (245, 130, 25),
    "pink": (245, 150, 190),
    "purple": (125, 50, 160),
}
"""The eleven basic colour terms of English (Berlin and Kay 1969), and an sRGB value of each."""

_STEEPEST = 1.2
"""How much differences of lightness grow at most: those within white cloth are no shading."""
_OPAQUE = 128

# Oklab (Ottosson 2020, "A perceptual color space for image processing"): linear sRGB to three kinds
# of cones, and their cube roots to lightness and two axes of colour; whites and greys have none
_TO_CONES = np.array([[0.4122, 0.5363, 0.0515], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]])
_TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def recolour(
    picture: UInt8[np.ndarray, "height width 4"],
    colour: str,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> UInt8[np.ndarray, "height width 4"]:
    """Return a drawing in a named colour.

    The median lightness of what is opaque becomes that of the colour, black remains black, and what
    is lighter or darker than the median in between stays so; the hue is that of the colour, the
    fainter the nearer to black or white.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width, 4)
        Red, green, blue and opacity, which stays as it is.
    colour : str
        One of ``COLOURS``.
    shift : tuple of float
        By how much the colour is another: in lightness and two axes of Oklab, of range 1, some .6.

    Raises
    ------
    MmgraphError
        If the colour is unknown, or the picture has another shape or no opaque part.
    """
    check_choice("colour", colour, COLOURS, MmgraphError)
    if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        raise MmgraphError(
            "expected a picture of bytes of shape (height, width, 4), "
            f"found {picture.dtype} of shape {picture.shape}"
        )
    opaque = picture[..., 3] >= _OPAQUE
    if not opaque.any():
        raise MmgraphError("the picture has no opaque part: nothing can be coloured")
    lightness = _oklab(picture[..., :3])[..., 0]
    middle = float(np.clip(np.median(lightness[opaque]), 0.01, 0.99))
    wanted, *hue = _oklab(np.array(COLOURS[colour], np.uint8)) + shift
    wanted = float(np.clip(wanted, 0.01, 0.99))
    steep = np.where(lightness < middle, wanted / middle, (1 - wanted) / (1 - middle))
    changed = np.clip(wanted + np.minimum(steep, _STEEPEST) * (lightness - middle), 0, 1)
    strength = np.minimum(changed / wanted, (1 - changed) / (1 - wanted))
    coloured = np.stack([changed, *(axis * strength for axis in hue)], -1)
    return np.concatenate([_srgb(coloured), picture[..., 3:]], -1)


def _oklab(colours: UInt8[np.ndarray, "*shape 3"]) -> Float64[np.ndarray, "*shape 3"]:
    """Lightness from 0 to 1, and the axes from green to red and from blue to yellow."""
    values = colours / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


def _srgb(colours: Float64[np.ndarray, "*shape 3"]) -> UInt8[np.ndarray, "*shape 3"]:
    """The inverse, cut to the range of the screen."""
    cones = (colours @ np.linalg.inv(_TO_LAB).T) ** 3
    linear = np.clip(cones @ np.linalg.inv(_TO_CONES).T, 0, 1)
    values = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray((values * 255).round().astype(np.uint8))
