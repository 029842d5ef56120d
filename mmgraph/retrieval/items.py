"""Items to be indexed: what users give of them, placed in the space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.collection import Item, NewItems, Side
from mmgraph.retrieval.images.described import Progress
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
    files: Sequence[str | os.PathLike[str]] | None = None,
    progress: Progress | None = None,
) -> NewItems:
    """Return items with the places of their pictures and texts.

    Raises
    ------
    LearningError
        If there are no items, or images, texts, files and ids differ in number.
    FormatError
        If a picture cannot be read (which).
    """
    by_languages = {} if texts is None else by_language(texts)
    sizes = {len(rows) for rows in by_languages.values()}
    sizes |= set() if images is None else {len(images)}
    if sizes in (set(), {0}):
        raise LearningError("there are no items to index: give images, texts, or both")
    if len(sizes) > 1:
        raise LearningError(f"there are {len(images or ())} images and {min(sizes)} texts")
    count = sizes.pop()
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
    captions = [shown_text(row) for row in next(iter(by_language(texts).values()))]
    names = _default_ids(paths) if ids is None else list(ids)
    for what, given_ones in (("ids", names), ("files", paths)):
        if len(given_ones) != count:
            raise LearningError(f"there are {count} items and {len(given_ones)} {what}")
    shown = [Item(*item) for item in zip(captions, paths, strict=True)]
    return NewItems(names, places, present, shown)


def _file_of(image: object) -> str | None:
    return os.fsdecode(image) if isinstance(image, str | os.PathLike) else None


def _default_ids(files: Sequence[str | None]) -> list[Id]:
    """Files' names, where each item has one of its own, or numbers."""
    names = [os.path.basename(file) for file in files if file is not None]
    if len(names) == len(files) and len(set(names)) == len(names):
        return list(names)
    return list(range(len(files)))
