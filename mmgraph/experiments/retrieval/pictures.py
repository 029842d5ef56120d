"""Pictures of a ready search: hits of queries, the space, and what was aligned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from mmgraph.experiments.retrieval.search_data import SearchData
from mmgraph.plots import hit_sheet, space_map
from mmgraph.retrieval.images.reading import read_picture, squared
from mmgraph.retrieval.texts.word_splitting import split_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TILE = 96
"""Pixels of a picture in a sheet."""


def search_figures(
    data: SearchData, queries: Sequence[str], arrays: Mapping[str, np.ndarray], title: str
) -> dict[str, Figure]:
    """Return the sheet of hits and the map of a fold's pictures, by the names of their files.

    Hits are right whose captions have all words of the query.
    """
    hits, tested = arrays["hits"], arrays["tested"]
    made = {}
    if len(queries):
        words = data.words()
        asked = [set(split_words(query)) for query in queries]
        made["hits"] = hit_sheet(
            queries,
            [[_tile(data.pictures[row]) for row in rows] for rows in hits],
            probabilities=arrays["probabilities"].tolist(),
            captions=[[data.caption(row) for row in rows] for rows in hits],
            right=[
                [query <= words[row] for row in rows]
                for query, rows in zip(asked, hits, strict=True)
            ],
            title=f"{title}: the first of {len(tested)} pictures not learned from",
        )
    if len(tested) > 2:
        made["space"] = space_map(
            arrays["places"],
            groups=[data.categories[row] for row in tested],
            method="tsne",
            title=f"{title}: pictures not learned from, by category",
        )
    return made


def _tile(picture: Any) -> UInt8[np.ndarray, "size size 3"]:
    return squared(read_picture(picture), _TILE)
