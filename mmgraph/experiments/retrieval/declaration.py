"""The declaration of a retriever: its pictures and captions, and how they are compared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmgraph.data.images.captioned_folder import CaptionedPictures, read_captioned_folder
from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.graph.errors import DatasetError, suggestion


def _image(reader: Reader, value: Any) -> tuple[str, ...]:
    """One kind of features of pictures, or several."""
    from mmgraph.retrieval.images.named import IMAGE_FEATURES

    names = value if isinstance(value, list) and value else [value]
    for name in names:
        reader.checked(name, str, "[retrieval]", "image", among=list(IMAGE_FEATURES))
    return tuple(names)


@dataclass(frozen=True, kw_only=True)
class RetrievalDeclaration(ReadyModel):
    """What ``mmgraph index`` makes a retriever of.

    Pictures and captions are those of a ``folder`` (see :func:`~mmgraph.data.images.\
captioned_folder.read_captioned_folder`; relative to the declaration's own directory), or of a data
    set of the catalogue, in ``languages`` where it has several. ``representation``, ``image`` and
    ``text`` are those of :class:`~mmgraph.retrieval.retriever.Retriever`, ``search`` is that of its
    ``index``.
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
    directory: Path = Path()

    def pairs(self) -> CaptionedPictures:
        """Return the pictures and captions.

        Raises
        ------
        FormatError
            If the folder or its table cannot be read.
        DatasetError
            If the data set cannot be had, or has no captions, or not in a language.
        """
        if self.folder:
            return read_captioned_folder((self.directory / self.folder).resolve())
        from mmgraph import datasets

        loaded: Any = datasets.load(self.dataset)
        if not hasattr(loaded, "captions"):
            raise DatasetError(f"'{self.dataset}' has no pictures with captions")
        texts = loaded.captions
        if isinstance(texts, dict):
            for language in self.languages:
                if language not in texts:
                    hint = suggestion(language, texts) or f" (there are {', '.join(texts)})"
                    raise DatasetError(f"'{self.dataset}' has no captions in '{language}'{hint}")
            texts = {language: texts[language] for language in self.languages}
        folder = os.path.commonpath(loaded.images)
        ids = [image.relative_to(folder).as_posix() for image in loaded.images]
        return CaptionedPictures(loaded.images, texts, ids, list(loaded.groups))


def read_retrieval(name: str | os.PathLike[str]) -> RetrievalDeclaration:
    """Read the declaration of a retriever.

    Raises
    ------
    FormatError
        If it is of another kind, an entry is unknown or not what it must be, or there are no
        pictures, or two sets of them.
    """
    from mmgraph.retrieval.collection import SEARCHES
    from mmgraph.retrieval.spaces.named import SPACES
    from mmgraph.retrieval.texts.named import TEXT_FEATURES

    reader = Reader(name)
    reader.checked(reader.content.get("kind"), str, "", "kind", among=["retrieval"])
    reader.only("kind", "title", "data", "retrieval")
    declared = reader.declaration(RetrievalDeclaration, directory=reader.path.parent)
    for key, known in (
        ("representation", SPACES), ("text", TEXT_FEATURES), ("search", SEARCHES),
    ):  # fmt: skip
        reader.checked(getattr(declared, key), str, "[retrieval]", key, among=list(known))
    if bool(declared.dataset) == bool(declared.folder):
        what = "names both" if declared.folder else "needs one of the two"
        raise reader.error(
            f"[data] {what}: folder = one of pictures with captions.csv, or dataset = a name of "
            "`mmgraph datasets`"
        )
    return declared
