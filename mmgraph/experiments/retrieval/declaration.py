"""The declaration of a retriever: its pictures and captions, and how they are compared."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmgraph.data.images.captioned_folder import read_captioned_folder
from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.experiments.retrieval.search_data import (
    ARTISTS,
    GROUPED,
    RANDOM,
    SearchData,
    search_data,
)

SPLITS = (GROUPED, RANDOM, ARTISTS)
TASKS = ("alignment", "all_sets", "vendors", "coloured_garments")


def _image(reader: Reader, value: Any) -> tuple[str, ...]:
    """One kind of features of pictures, or several."""
    from mmgraph.retrieval.images.named import IMAGE_FEATURES

    names = value if isinstance(value, list) and value else [value]
    for name in names:
        reader.checked(name, str, "[retrieval]", "image", among=list(IMAGE_FEATURES))
    return tuple(names)


@dataclass(frozen=True, kw_only=True)
class RetrievalDeclaration(ReadyModel):
    """What ``mmgraph index`` makes a retriever of, and ``mmgraph run`` tests.

    Pictures and captions are those of a ``folder`` (see :func:`~mmgraph.data.images.\
captioned_folder.read_captioned_folder`; relative to the declaration's own directory), or of a data
    set of the catalogue, in ``languages`` where it has several. ``representation``, ``image`` and
    ``text`` are those of :class:`~mmgraph.retrieval.retriever.Retriever`, ``search`` is that of its
    ``index``.

    A run tests it in so many ``folds`` of each of the ``splits``, with other representations
    ``beside`` it, and with other features (``images_beside``). Its ``tasks`` are ``alignment`` of
    words by EM, ``all_sets`` of drawings asked for ``pictures_with`` a thing, ``vendors`` whose
    drawings are assigned, and ``coloured_garments``. The hits of ``queries`` are drawn.
    """

    title: str = ""
    dataset: str = entry("", table="data")
    folder: str = entry("", table="data")
    languages: tuple[str, ...] = entry(("en",), table="data")
    representation: str = entry("cca", table="retrieval")
    image: tuple[str, ...] = entry(("pixels",), table="retrieval", read=_image)
    text: str = entry("words_and_letters", table="retrieval")
    search: str = entry("auto", table="retrieval")
    seed: int = entry(0, table="retrieval", within=(0, 2**32 - 1))
    folds: int = entry(5, table="validation", within=(2, 100))
    splits: tuple[str, ...] = entry((GROUPED, RANDOM), table="validation", among=SPLITS)
    beside: tuple[str, ...] = entry((), table="report")
    images_beside: tuple[str, ...] = entry((), table="report")
    tasks: tuple[str, ...] = entry((), table="report", among=TASKS)
    pictures_with: tuple[str, ...] = entry(("cat",), table="report")
    queries: tuple[str, ...] = entry((), table="report")
    directory: str = ""

    def data(self) -> SearchData:
        """Return the pictures and captions.

        Raises
        ------
        FormatError
            If the folder or its table cannot be read.
        DatasetError
            If the data set cannot be had, or has no captions, or not in a language.
        """
        if not self.folder:
            return search_data(self.dataset, self.languages)
        read = read_captioned_folder(Path(self.directory, self.folder).resolve())
        texts = read.texts if isinstance(read.texts, dict) else {"": read.texts}
        return SearchData.of(read.images, texts, read.ids, read.groups)


def read_retrieval(name: str | os.PathLike[str]) -> RetrievalDeclaration:
    """Read the declaration of a retriever.

    Raises
    ------
    FormatError
        If it is of another kind, an entry is unknown or not what it must be, or there are no
        pictures, or two sets of them.
    """
    from mmgraph.retrieval.collection import SEARCHES
    from mmgraph.retrieval.images.named import IMAGE_FEATURES
    from mmgraph.retrieval.spaces.named import SPACES
    from mmgraph.retrieval.texts.named import TEXT_FEATURES

    reader = Reader(name)
    reader.checked(reader.content.get("kind"), str, "", "kind", among=["retrieval"])
    reader.only("kind", "title", "data", "retrieval", "validation", "report")
    declared = reader.declaration(RetrievalDeclaration, directory=str(reader.path.parent))
    known: dict[str, Collection[str]] = {
        "representation": SPACES, "text": TEXT_FEATURES, "search": SEARCHES,
        "beside": SPACES, "images_beside": IMAGE_FEATURES,
    }  # fmt: skip
    for key, among in known.items():
        value = getattr(declared, key)
        table = "[report]" if isinstance(value, tuple) else "[retrieval]"
        for name in value if isinstance(value, tuple) else (value,):
            reader.checked(name, str, table, key, among=list(among))
    if bool(declared.dataset) == bool(declared.folder):
        what = "names both" if declared.folder else "needs one of the two"
        raise reader.error(
            f"[data] {what}: folder = one of pictures with captions.csv, or dataset = a name of "
            "`mmgraph datasets`"
        )
    return declared
