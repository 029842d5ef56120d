"""Items to be indexed: what users give of them, placed in the space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.collection import Item, NewItems, Side
from mmgraph.retrieval.images.described import Progress, listed
from mmgraph.retrieval.indices.index import Id
from mmgraph.retrieval.model import RetrievalModel
from mmgraph.retrieval.spaces.space import Places
from mmgraph.retrieval.texts.language_terms import Texts, by_language, shown_text

if TYPE_CHECKING:
    from mmgraph.retrieval.images.described import Images


def described_items(
    model: RetrievalModel,
    images: Images | None,
    ids: Sequence[Id] | None,
    texts: Texts | None,
    files: Sequence[str | os.PathLike[str] | None] | None = None,
    progress: Progress | None = None,
    *,
    first: int = 0,
) -> NewItems:
    """Return items with the places of their pictures and texts.

    Where they have no ids, files' names serve, if each item has one of its own; else numbers,
    beginning with ``first``.

    Raises
    ------
    LearningError
        If there are no items, or images, texts, files and ids differ in number.
    FormatError
        If a picture cannot be read (which).
    """
    by_languages = {} if texts is None else by_language(texts)
    images = None if images is None else listed(images)
    sizes = [len(rows) for rows in [*([] if images is None else [images]), *by_languages.values()]]
    if not any(sizes):
        raise LearningError("there are no items to index: give images, texts, or both")
    if min(sizes) < max(sizes):
        raise LearningError(f"there are {sizes[0]} images and {sizes[-1]} texts")
    count = sizes[0]
    given: Any = files if files is not None else images
    paths = [_file_of(image) for image in ([None] * count if given is None else given)]
    texts = [None] * count if texts is None else by_languages
    pictures = [None] * count if images is None else images
    places: dict[Side, Places] = {
        "images": model.picture_places(pictures, progress),
        "texts": model.text_places(texts),
    }
    present: dict[Side, Bool[np.ndarray, " rows"]] = {
        "images": ~np.isnan(places["images"]).any(1),
        "texts": np.asarray(places["texts"].any(1)),
    }
    captions = [
        next(filter(None, map(shown_text, row)), None)
        for row in zip(*by_language(texts).values(), strict=True)
    ]
    names = _default_ids(paths, first) if ids is None else [_plain(name) for name in ids]
    for what, given_ones in (("ids", names), ("files", paths)):
        if len(given_ones) != count:
            raise LearningError(f"there are {count} items and {len(given_ones)} {what}")
    shown = [Item(*item) for item in zip(captions, paths, strict=True)]
    return NewItems(names, places, present, shown)


def _file_of(image: object) -> str | None:
    return os.fsdecode(image) if isinstance(image, str | os.PathLike) else None


def _plain(name: Any) -> Id:
    """An id of Python's own types, which files can hold."""
    return name.item() if isinstance(name, np.generic) else name


def _default_ids(files: Sequence[str | None], first: int) -> list[Id]:
    names = [os.path.basename(file) for file in files if file is not None]
    if len(names) == len(files) and len(set(names)) == len(names):
        return list(names)
    return list(range(first, first + len(files)))
