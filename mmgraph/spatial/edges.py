"""How strongly neighbouring pixels hold together: less where a sensor sees an edge between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from mmgraph.graph.arrays import float_array
from mmgraph.graph.errors import GraphError
from mmgraph.graph.factors.grid import Offset, neighbourhood, offset_slices
from mmgraph.networks.random_fields.contrast import differences, edge_contrast
from mmgraph.spatial.arrays import read_cells, real_array

_NEUTRAL = math.exp(-0.5)
"""The weight of the mean squared distance: of a neighbour that nothing is known of."""


def default_neighbours(dimensions: int) -> int:
    """Return 8 in an image and 6 in a volume."""
    return 8 if dimensions == 2 else 2 * dimensions


def contrast_weights(
    image: Float[np.ndarray, "*shape bands"],
    neighbours: int | Sequence[Offset] | None = None,
    *,
    sigma: float | None = None,
    missing: Bool[np.ndarray, "*shape"] | None = None,
    distance_scaled: bool = True,
    spacing: Sequence[float] | None = None,
) -> Float[np.ndarray, "offsets *shape"]:
    """Return the weight of every edge between neighbours, ``exp(-d² / 2 sigma²)``.

    ``d`` is the Euclidean distance of the two pixels' values, each band in units of its standard
    deviation.

    Parameters
    ----------
    image : ndarray, shape (height, width, bands) or (depth, height, width, bands)
        What one sensor sees; NaN, and what a mask hides, is missing.
    neighbours : int or sequence of offsets, default: 8 in an image, 6 in a volume
        See :func:`~mmgraph.graph.factors.grid.neighbourhood`.
    sigma : float, optional
        The contrast that counts as one edge; by default ``sigma²`` is the mean of ``d²`` over all
        edges with both ends known.
    missing : ndarray of bool, optional
        Further pixels that are missing, masked ones too. An edge with a missing end has the neutral
        weight: the mean over the known edges, so that a gap holds together neither more nor less
        than the rest.
    distance_scaled : bool, default True
        Whether weights are divided by the length of the edge (1.41 for a diagonal), so that the
        length of a border does not depend on its direction.
    spacing : sequence of float, optional
        The distance of neighbours along each axis, in any unit, as voxels of 5 x 1 x 1 mm have it;
        by default the same along all. Lengths are in units of the smallest, so that edges along
        that axis weigh as they do without it, and those along an axis five times as long a fifth.

    Returns
    -------
    ndarray, shape (offsets, *shape)
        What :class:`~mmgraph.graph.factors.grid.GridFactor` wants: entry ``[o, i, j]`` belongs to
        the edge from ``(i, j)`` to ``(i, j) + offset o``; zero where that leaves the image.

    Raises
    ------
    GraphError
        If ``sigma`` or the spacing is not positive, or the neighbourhood is unknown.

    References
    ----------
    Boykov and Jolly, "Interactive graph cuts" (ICCV 2001), section 3; Rother, Kolmogorov and Blake,
    "GrabCut" (2004), section 2, for sigma from the data.
    """
    image = real_array(image, "the image", GraphError)
    shape = image.shape[:-1]
    if neighbours is None:
        neighbours = default_neighbours(len(shape))
    offsets = neighbourhood(len(shape), neighbours) if isinstance(neighbours, int) else neighbours
    if sigma is not None and not 0 < sigma < math.inf:
        raise GraphError(f"sigma must be a positive number, not {sigma}")
    steps = np.array(relative_spacing(spacing, len(shape)))
    squares = differences(_standardised(image, missing), offsets, _square)
    weights = edge_contrast(squares, sigma).likeness
    known = ~np.isnan(weights)
    weights[~known] = float(weights[known].mean()) if known.any() else _NEUTRAL
    for number, offset in enumerate(offsets):
        inside = np.zeros(shape, bool)
        inside[offset_slices(shape, offset)[0]] = True
        length = math.hypot(*(steps * offset)) if distance_scaled else 1.0
        weights[number] = np.where(inside, weights[number] / length, 0.0)
    return weights


def plain_weights(
    shape: tuple[int, ...],
    neighbours: int | Sequence[Offset] | None = None,
    *,
    spacing: Sequence[float] | None = None,
) -> Float[np.ndarray, "offsets *shape"]:
    """Return weights without any contrast: one over the length of the edge."""
    return contrast_weights(np.zeros((*shape, 1)), neighbours, spacing=spacing)


def relative_spacing(spacing: Sequence[float] | None, dimensions: int) -> tuple[float, ...]:
    """Return the distance of neighbours along each axis in units of the smallest."""
    if spacing is None:
        return (1.0,) * dimensions
    try:
        steps = float_array(spacing, "they", GraphError)
    except GraphError as problem:
        raise GraphError(f"the spacing must be {dimensions} positive numbers; {problem}") from None
    if steps.shape != (dimensions,) or not ((steps > 0) & np.isfinite(steps)).all():
        raise GraphError(f"the spacing must be {dimensions} positive numbers, not {spacing!r}")
    return tuple((steps / steps.min()).tolist())


def _square(
    some: Float[np.ndarray, "*edges bands"], others: Float[np.ndarray, "*edges bands"]
) -> Float[np.ndarray, "*edges"]:
    difference = some - others
    return np.einsum("...b,...b->...", difference, difference)


def _standardised(
    image: np.ndarray, missing: np.ndarray | None
) -> Float[np.ndarray, "*shape bands"]:
    """Return bands of unit variance, NaN where a pixel is missing."""
    hidden = ~np.isfinite(image).all(-1)
    if missing is not None:
        region, masked = read_cells(missing, "what is missing", GraphError)
        hidden |= (region != 0) | masked
    known = image[~hidden]
    if len(known):
        scale = known.std(0)
        image = (image - known.mean(0)) / np.where(scale > 0, scale, 1.0)
    return np.where(hidden[..., None], np.nan, image)
