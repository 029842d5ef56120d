"""Dense stereo: how far each pixel of one image lies shifted in the other.

The matching cost joins the census transform (Zabih and Woodfill 1994, "Non-parametric local
transforms for computing visual correspondence") with absolute differences of colour as in Mei, Sun,
Zhou, Jiao, Wang and Zhang (2011, "On building an accurate stereo matching system on graphics
hardware", section 2.1): both saturate, so that a pixel that is hidden in the other image, and
matches nothing there, has little to say. A Markov random field with a truncated linear energy
between neighbours, weaker across strong edges of the image, makes one surface of it (Boykov,
Veksler and Zabih 2001, "Fast approximate energy minimization via graph cuts", sections 7 and 8).
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64

from mmgraph.graph.arrays import float_array, nan_where_masked
from mmgraph.graph.errors import MmgraphError
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.grid import GridFactor, neighbourhood
from mmgraph.graph.factors.unary import UnaryFactor
from mmgraph.graph.interaction import TruncatedLinear
from mmgraph.graph.variable import Variable
from mmgraph.inference.assignment import Assignment
from mmgraph.inference.query import map_query
from mmgraph.networks.random_fields.contrast import differences

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")

Image = Any
"""An array ``(height, width)`` of grey values or ``(height, width, channels)`` of colours."""


def matching_cost(
    left: Image,
    right: Image,
    disparities: int,
    *,
    census_window: tuple[int, int] = (7, 9),
    census_scale: float = 30.0,
    colour_scale: float = 10.0,
    aggregation: int = 1,
) -> Float32[np.ndarray, "height width disparities"]:
    """Return how badly each pixel of the left image matches the right one at each disparity.

    The cost is ``2 - exp(-census / census_scale) - exp(-difference / colour_scale)``, between 0
    and 2, where ``census`` counts the neighbours that are darker than the centre in one image only
    and ``difference`` is the mean absolute difference of the channels. Where the other pixel lies
    outside the image, the cost of the nearest disparity inside stands in: what cannot be seen
    prefers nothing.

    Parameters
    ----------
    left, right : array-like
        Rectified images of one shape, ``(height, width)`` or ``(height, width, channels)``, with
        values from 0 to 255.
    disparities : int
        The costs are those of 0, 1, … ``disparities - 1`` pixels.
    census_window : tuple of int, default (7, 9)
        Height and width, odd, at most 64 neighbours.
    census_scale, colour_scale : float
        Where each part saturates.
    aggregation : int, default 1
        Side of a square over which costs are averaged; 1 averages nothing.

    Raises
    ------
    MmgraphError
        If the images differ in shape or are none, or a number is out of range.
    """
    first, second = _read(left), _read(right, "right")
    if first.shape != second.shape:
        raise MmgraphError(f"the left image has shape {first.shape}, the right one {second.shape}")
    height, width = first.shape[:2]
    if not 1 <= disparities <= width:
        raise MmgraphError(f"{disparities} disparities in images {width} pixels wide")
    rows, columns = census_window
    if rows % 2 == 0 or columns % 2 == 0 or rows < 1 or columns < 1 or rows * columns > 65:
        raise MmgraphError(
            f"a census window has odd sides and at most 65 pixels, not {rows, columns}"
        )
    if not (census_scale > 0 and colour_scale > 0):
        raise MmgraphError("the scales of the matching cost must be positive")
    if aggregation < 1 or aggregation % 2 == 0:
        raise MmgraphError(f"the side of the aggregation must be odd, not {aggregation}")
    left_codes, right_codes = (
        _census(np.ascontiguousarray(x.mean(2)), rows // 2, columns // 2) for x in (first, second)
    )
    bits = np.arange(rows * columns, dtype=np.float64)
    saturation = (1 - np.exp(-bits / census_scale)).astype(np.float32)
    costs = np.empty((height, width, disparities), np.float32)
    scale = np.float32(colour_scale)
    _match(first, second, left_codes, right_codes, saturation, scale, costs)
    if aggregation > 1:
        from scipy.ndimage import uniform_filter1d

        for axis in (0, 1):
            uniform_filter1d(costs, aggregation, axis, output=costs, mode="nearest")
    return costs


def _read(image: Image, name: str = "left") -> Float32[np.ndarray, "height width channels"]:
    array = np.asarray(nan_where_masked(image))
    if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "iufb":
        raise MmgraphError(f"the {name} image is no image: {array.dtype} of shape {array.shape}")
    array = np.ascontiguousarray(array.reshape(*array.shape[:2], -1), np.float32)
    if not np.isfinite(array).all():
        raise MmgraphError(f"the {name} image holds a value that is not finite")
    return array


@_compiled
def _census(grey: np.ndarray, reach_y: int, reach_x: int) -> np.ndarray:
    """Which neighbours are darker than the pixel, a bit each; the border is repeated outwards."""
    height, width = grey.shape
    codes = np.zeros((height, width), np.uint64)
    for y in range(height):
        for x in range(width):
            code = np.uint64(0)
            for dy in range(-reach_y, reach_y + 1):
                row = min(max(y + dy, 0), height - 1)
                for dx in range(-reach_x, reach_x + 1):
                    if dy or dx:
                        column = min(max(x + dx, 0), width - 1)
                        darker = np.uint64(grey[row, column] < grey[y, x])
                        code = (code << np.uint64(1)) | darker
            codes[y, x] = code
    return codes


@_compiled
def _bits(code: np.uint64) -> np.uint64:
    """The number of ones in 64 bits, counted in parallel (Warren, "Hacker's Delight", 5-1)."""
    one, two, four = np.uint64(1), np.uint64(2), np.uint64(4)
    code = code - ((code >> one) & np.uint64(0x5555555555555555))
    low = np.uint64(0x3333333333333333)
    code = (code & low) + ((code >> two) & low)
    code = (code + (code >> four)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (code * np.uint64(0x0101010101010101)) >> np.uint64(56)


@_compiled
def _match(
    left: np.ndarray,
    right: np.ndarray,
    left_codes: np.ndarray,
    right_codes: np.ndarray,
    saturation: np.ndarray,
    colour_scale: np.float32,
    costs: np.ndarray,
) -> None:
    height, width, channels = left.shape
    disparities = costs.shape[2]
    for y in range(height):
        for x in range(width):
            inside = min(disparities, x + 1)
            for d in range(inside):
                difference = np.float32(0)
                for c in range(channels):
                    difference += abs(left[y, x, c] - right[y, x - d, c])
                colour = np.float32(1) - np.exp(-difference / (channels * colour_scale))
                unlike = _bits(left_codes[y, x] ^ right_codes[y, x - d])
                costs[y, x, d] = saturation[unlike] + colour
            for d in range(inside, disparities):
                costs[y, x, d] = costs[y, x, inside - 1]


def winner_takes_all(
    costs: Float[np.ndarray, "height width disparities"],
) -> Int64[np.ndarray, "height width"]:
    """Return the disparity of least cost of each pixel by itself."""
    return np.asarray(costs).argmin(2)


def mutual_matches(
    costs: Float[np.ndarray, "height width disparities"], tolerance: int = 1
) -> Bool[np.ndarray, "height width"]:
    """Return which pixels are chosen by the pixel of the right image that they choose themselves.

    The right image's costs are those of the left one read along the other diagonal. A pixel that
    is hidden in the right image chooses one that belongs to something else, which does not choose
    it back (Fua 1993, "A parallel stereo algorithm that produces dense depth maps and preserves
    image features", section 2).

    Parameters
    ----------
    costs : ndarray
        As of :func:`matching_cost`.
    tolerance : int, default 1
        By how many pixels the two choices may differ.
    """
    height, width, disparities = costs.shape
    lowest = np.full((height, width), np.inf)
    chosen = np.zeros((height, width), np.int64)
    for d in range(disparities):
        candidate = costs[:, d:, d]
        better = candidate < lowest[:, : width - d]
        lowest[:, : width - d][better] = candidate[better]
        chosen[:, : width - d][better] = d
    forward = winner_takes_all(costs)
    column = np.arange(width) - forward
    back = np.take_along_axis(chosen, np.maximum(column, 0), 1)
    return np.asarray((column >= 0) & (np.abs(back - forward) <= tolerance))


def colour_difference_weights(
    image: Image,
    *,
    strength: float = 1.0,
    across_edges: float = 0.1,
    scale: float = 12.0,
    neighbours: int = 4,
) -> Float32[np.ndarray, "offsets height width"]:
    """Return a weight for each edge between neighbours, weaker where the image changes.

    The weight is ``strength * (across_edges + (1 - across_edges) * exp(-difference / scale))``,
    with the mean absolute difference of the channels, divided by the distance of the two pixels.

    Parameters
    ----------
    image : array-like
        Shape ``(height, width)`` or ``(height, width, channels)``.
    strength : float, default 1
        The weight where the image is even.
    across_edges : float, default 0.1
        The share of it that is left across the strongest edges, from 0 to 1.
    scale : float, default 12
        The difference that counts as strong.
    neighbours : int, default 4
        4 or 8, as of :class:`GridFactor`, whose ``weights`` these are.

    Raises
    ------
    MmgraphError
        If the array is no image, or a number is out of range.
    """
    array = _read(image)
    if not (math.isfinite(strength) and strength >= 0 and 0 <= across_edges <= 1 and scale > 0):
        raise MmgraphError(
            f"strength {strength}, across_edges {across_edges} and scale {scale} must be not "
            "negative, between 0 and 1, and positive"
        )
    offsets = neighbourhood(2, neighbours)
    difference = differences(array, offsets, lambda some, others: np.abs(some - others).mean(-1))
    share = across_edges + (1 - across_edges) * np.exp(-difference / scale)
    lengths = np.array([math.hypot(*offset) for offset in offsets], np.float32)[:, None, None]
    return np.where(np.isnan(share), np.float32(0), strength * share / lengths)


def stereo_graph(
    costs: Float[np.ndarray, "height width disparities"],
    image: Image,
    *,
    strength: float = 0.4,
    truncation: float = 8.0,
    across_edges: float = 0.1,
    scale: float = 12.0,
    unmatched: float = 0.1,
    neighbours: int = 4,
) -> FactorGraph:
    """Return the Markov random field of a disparity map, with the one variable ``disparity``.

    Parameters
    ----------
    costs : ndarray
        As of :func:`matching_cost`.
    image : array-like
        The left image, for the weights of the edges.
    strength, across_edges, scale, neighbours
        As of :func:`colour_difference_weights`.
    truncation : float, default 8
        The energy between neighbours grows with the difference of their disparities up to here.
    unmatched : float, default 0.1
        What the costs of pixels without a mutual match are multiplied by: most of them are hidden
        in the right image. 1 leaves them as they are.

    Raises
    ------
    MmgraphError
        If the costs do not fit the image, or a number is out of range.
    """
    array = float_array(costs, "the costs", MmgraphError)
    picture = _read(image)
    if array.ndim != 3 or array.shape[:2] != picture.shape[:2]:
        raise MmgraphError(
            f"costs of shape {array.shape} for an image of {picture.shape[0]} x {picture.shape[1]}"
        )
    if not 0 <= unmatched <= 1:
        raise MmgraphError(f"unmatched must lie between 0 and 1, not {unmatched}")
    trusted = np.where(mutual_matches(array), 1.0, unmatched).astype(np.float32)
    variable = Variable("disparity", array.shape[2], array.shape[:2])
    weights = colour_difference_weights(
        picture, strength=strength, across_edges=across_edges, scale=scale, neighbours=neighbours
    )
    unary = UnaryFactor(variable, -(array.astype(np.float32) * trusted[..., None]))
    edges = GridFactor(variable, TruncatedLinear(truncation), torch.from_numpy(weights), neighbours)
    return FactorGraph([variable], [unary, edges])


def disparity(
    left: Image, right: Image, disparities: int, *, method: str = "trws", iterations: int = 50
) -> Assignment:
    """Return the disparity of each pixel of the left image, with all settings at their defaults.

    Parameters
    ----------
    left, right, disparities
        As of :func:`matching_cost`.
    method : str, default "trws"
        As of :func:`mmgraph.map_query`.
    iterations : int, default 50
        At most so many.

    Returns
    -------
    Assignment
        ``result["disparity"]`` has shape ``(1, height, width)``; energy, bound and trace tell how
        good the labelling is.
    """
    graph = stereo_graph(matching_cost(left, right, disparities), left)
    return map_query(graph, method=method, iterations=iterations)
