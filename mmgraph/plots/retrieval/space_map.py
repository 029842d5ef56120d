"""A map of a space of many dimensions in two: what lies near what, by group and kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mmgraph.graph.errors import MmgraphError, check_choice, needs
from mmgraph.plots.figures import (
    PALETTE,
    as_chart,
    entitle,
    legend,
    name_axes,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = 7.0
_MARKERS = "osD^vPX"
_OTHERS = "#B8B8B8"
_THUMBNAIL = 30
"""Points of the longer side of a small picture."""
METHODS = ("pca", "tsne")


def space_map(
    vectors: object,
    *,
    groups: Sequence[object] | None = None,
    kinds: Sequence[str] | None = None,
    pairs: Sequence[tuple[int, int]] = (),
    pictures: Sequence[object] | None = None,
    method: str = "pca",
    random_state: int = 0,
    title: str | None = None,
) -> Figure:
    """Draw rows of numbers as points of a plane.

    Parameters
    ----------
    vectors : array-like, shape (items, width)
        What lies in the space: pictures, texts, or both.
    groups : sequence, optional
        Of each item; the seven most frequent have colours, and the others are grey.
    kinds : sequence of str, optional
        Of each item, such as "picture" and "text": each has a mark of its own.
    pairs : sequence of (int, int)
        Items that a line joins, such as a picture and its text.
    pictures : sequence of array or None, optional
        Of each item: a small picture (height, width, 3) instead of a mark.
    method : str
        "pca", principal components: distances as they are, as far as two axes show them; "tsne",
        of scikit-learn: neighbours, whatever lies between groups.
    random_state : int
        Where t-SNE starts.
    title : str, optional
        Above everything.

    Raises
    ------
    MmgraphError
        If there are fewer than three items, numbers are not finite, the method is not known, or
        lists differ in length from the items.
    MissingExtraError
        If t-SNE is asked for and scikit-learn is not installed.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or len(rows) < 3 or not np.isfinite(rows).all():
        raise MmgraphError(f"a map needs three rows of finite numbers at least, not {rows.shape}")
    of_group, of_kind = _texts(groups, "groups", len(rows)), _texts(kinds, "kinds", len(rows))
    shown = [None] * len(rows) if pictures is None else list(pictures)
    _texts(shown, "pictures", len(rows))
    check_choice("method", method, METHODS, MmgraphError)
    points, names = _principal(rows) if method == "pca" else _neighbourly(rows, random_state)
    figure = new_figure(_SIZE, _SIZE)
    axes = figure.add_subplot()
    for a, b in pairs:
        axes.plot(*points[[a, b]].T, color=_OTHERS, linewidth=0.6, zorder=1)
    frequent = sorted(set(of_group), key=lambda group: (-of_group.count(group), group))
    shades = dict(zip(frequent, PALETTE, strict=False))
    colours = [shades.get(group, _OTHERS) for group in of_group]
    for point, picture, colour in zip(points, shown, colours, strict=True):
        if picture is not None:
            _draw_thumbnail(axes, point, np.asarray(picture), colour)
    for mark, kind in zip(_MARKERS * len(rows), dict.fromkeys(of_kind), strict=False):
        some = [i for i in range(len(rows)) if of_kind[i] == kind and shown[i] is None]
        style: dict[str, Any] = {"marker": mark, "linewidths": 0.4, "edgecolors": "white"}
        across, up = points[some].T
        axes.scatter(across, up, c=[colours[i] for i in some], s=26, **style)
        axes.scatter([], [], c=_OTHERS, label=plain(kind), **style)
    if len(frequent) > len(shades):
        shades["others"] = _OTHERS
    for group, shade in shades.items():
        axes.scatter([], [], c=shade, marker="s", label=plain(group))
    name_axes(axes, *names)
    as_chart(axes)
    if method == "tsne":
        axes.tick_params(labelbottom=False, labelleft=False)
    if groups is not None or kinds is not None:
        legend(figure, loc="outside lower center", ncols=4, fontsize=9)
    entitle(figure, title)
    return figure


def _texts(values: Sequence[object] | None, what: str, items: int) -> list[str]:
    """A text for each item, none where there are no values."""
    if values is not None and len(values) != items:
        raise MmgraphError(f"{what} are told of {len(values)} items, there are {items}")
    return [""] * items if values is None else [str(value) for value in values]


def _principal(rows: Float[np.ndarray, "items width"]) -> tuple[np.ndarray, list[str]]:
    axes, lengths, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    shares = np.append(lengths**2 / max((lengths**2).sum(), 1e-300), 0.0)
    points = np.column_stack([axes * lengths, np.zeros(len(rows))])[:, :2]
    return points, [f"component {i + 1} ({shares[i]:.0%} of the variance)" for i in range(2)]


def _neighbourly(
    rows: Float[np.ndarray, "items width"], random_state: int
) -> tuple[np.ndarray, list[str]]:
    with needs("data", "scikit-learn", "a map by t-SNE"):
        from sklearn.manifold import TSNE
    perplexity = min(30.0, (len(rows) - 1) / 3)
    made = TSNE(perplexity=perplexity, random_state=random_state)
    return made.fit_transform(rows), ["t-SNE 1", "t-SNE 2"]


def _draw_thumbnail(axes: Any, place: np.ndarray, picture: np.ndarray, colour: str) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    image = OffsetImage(picture, zoom=_THUMBNAIL / max(picture.shape[:2]), cmap="gray")
    frame = {"edgecolor": colour, "linewidth": 1.2}
    axes.add_artist(AnnotationBbox(image, (place[0], place[1]), pad=0.1, bboxprops=frame))
