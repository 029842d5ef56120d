"""Which items of one side belong to which of the other, by any of the methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmgraph.graph.errors import MmgraphError, check_choice
from mmgraph.inference.options import check_known, check_types, parameters_of
from mmgraph.retrieval.alignment.alignment import Alignment
from mmgraph.retrieval.alignment.assignment import assignment
from mmgraph.retrieval.alignment.attention import attention
from mmgraph.retrieval.alignment.dynamic_time_warping import dynamic_time_warping
from mmgraph.retrieval.alignment.translation import translation

METHODS: Mapping[str, Callable[..., Alignment]] = {
    "assignment": assignment,
    "em": translation,
    "dtw": dynamic_time_warping,
    "attention": attention,
}


def align(
    a: Any,
    b: Any = None,
    method: str = "assignment",
    *,
    row_names: Sequence[object] = (),
    column_names: Sequence[object] = (),
    **options: Any,
) -> Alignment:
    """Return a soft alignment of two sides.

    Parameters
    ----------
    a, b : array-like of float, or lists of bags
        Rows of one space; or ``a`` alone, a matrix of scores (``"assignment"``); frames of two
        sequences (``"dtw"``); bags of parts and bags of words (``"em"``).
    method : str
        ``"assignment"``: each item goes with at most one of the other side. ``"em"``: which part of
        a picture each word of its caption goes with is learned from many. ``"dtw"``: both sides
        are sequences, whose order holds. ``"attention"``: each item chooses for itself.
    row_names, column_names : sequence, optional
        For frames and pictures; ``"em"`` has its own.
    **options
        Of the function of :data:`METHODS`, which describes them and what it returns.

    Raises
    ------
    MmgraphError
        If the method or an option is unknown (with the nearest), or a side is empty, of another
        width or not finite (names the side and the row).
    """
    check_choice("method of alignment", method, METHODS, MmgraphError)
    function = METHODS[method]
    known = [name for name in parameters_of(function) if name not in ("a", "b")]
    check_known(options, known, f"the method '{method}'")
    check_types(function, options)
    aligned = function(a, b, **options)
    return dataclasses.replace(
        aligned,
        row_names=tuple(row_names) or aligned.row_names,
        column_names=tuple(column_names) or aligned.column_names,
    )
