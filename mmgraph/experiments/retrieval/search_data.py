"""Data sets of pictures with captions, in the form in which a search is made and tested."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Bool

from mmgraph import datasets
from mmgraph.data.groups import Codes
from mmgraph.datasets.emoji import ByLanguage
from mmgraph.graph.errors import DatasetError, suggestion
from mmgraph.learning.kept_steps import digest
from mmgraph.retrieval.texts.word_splitting import split_words

TAGS = "tag to pictures"
ALL_SETS = ("open_clip_art", "emoji", "tux_paint_stamps")
_TAG_PICTURES, _FREQUENT_WORDS = 10, 150
GROUPED, RANDOM, ARTISTS = "grouped", "random", "artists"
"""Splits: near duplicates stay together; only what has one caption does; all of an artist does."""


@dataclass(frozen=True, eq=False)
class SearchData:
    """Pictures with captions, picture by picture.

    Attributes
    ----------
    pictures : sequence
        Files or arrays; None where there is but a caption.
    texts : dict of str to sequence
        By language the caption of each picture, captions, or None.
    ids : list of str
    groupings : dict of str to ndarray of int
        By split, which pictures are never on both sides of it: ``"grouped"`` and ``"random"``, and
        perhaps ``"artists"``.
    sources : list of str
        Whose drawings they are: those of each source are searched by themselves.
    categories : list of str
    tags : list of tuple of str
    """

    pictures: Sequence[Any]
    texts: Mapping[str, Sequence[Any]]
    ids: list[str]
    groupings: Mapping[str, Codes]
    sources: list[str]
    categories: list[str]
    tags: list[tuple[str, ...]]

    @classmethod
    def of(
        cls,
        pictures: Sequence[Any],
        texts: Mapping[str, Sequence[Any]],
        ids: list[str] | None = None,
        groups: Sequence[Hashable] | None = None,
        categories: Sequence[str] = (),
    ) -> Self:
        """Return pictures of one source; by default each is a group of its own."""
        count = len(pictures)
        alone = np.arange(count)
        grouped = alone if groups is None else _codes(groups)
        return cls(
            pictures,
            texts,
            ids or list(map(str, range(count))),
            {GROUPED: grouped, RANDOM: alone},
            sources=[""] * count,
            categories=list(categories) or [""] * count,
            tags=[()] * count,
        )

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def language(self) -> str:
        """The first language, in which words are looked for."""
        return next(iter(self.texts))

    @property
    def category_codes(self) -> Codes:
        """Of each picture, the place of its category among their names in order."""
        return np.unique(self.categories, return_inverse=True)[1].astype(np.int64)

    @property
    def groups(self) -> list[int]:
        """Of each picture, in the split ``"grouped"``."""
        return [int(code) for code in self.groupings[GROUPED]]

    @property
    def files(self) -> Sequence[Path | None] | None:
        """The files of the pictures, if they are in some."""
        return None if any(isinstance(one, np.ndarray) for one in self.pictures) else self.pictures

    def caption(self, row: int, language: str | None = None) -> str:
        """Return the caption of a picture, by default in the first language; several as one."""
        return _joined(self.texts[self.language if language is None else language][row])

    def words(self) -> list[set[str]]:
        """Return the words of the first language's captions of each picture."""
        return [set(split_words(self.caption(row))) for row in range(len(self))]

    def asked_words(self) -> dict[str, Vocabulary]:
        """Return the words that pictures are asked for, by the question.

        They are tags of one word that ten pictures or more have, where there are tags, and the 150
        most frequent words of captions.
        """
        asked = {"frequent word to pictures": Vocabulary.of(self.words(), most=_FREQUENT_WORDS)}
        if any(self.tags):
            asked[TAGS] = Vocabulary.of(self.tags, least=_TAG_PICTURES)
        return asked

    @classmethod
    def union(cls, sets: Mapping[str, SearchData]) -> SearchData:
        """Return the pictures of several sets, in the first language of each.

        Groups and sources stay apart, and categories are the names of the sets.
        """
        names = [name for name, one in sets.items() for _ in one.ids]
        texts = [text for one in sets.values() for text in one.texts[one.language]]
        made = cls.of(
            [picture for one in sets.values() for picture in one.pictures],
            {next(iter(sets.values())).language: texts},
            groups=[(name, group) for name, one in sets.items() for group in one.groups],
            categories=names,
        )
        sources = [f"{name} {source}" for name, one in sets.items() for source in one.sources]
        return replace(made, sources=sources)

    def arrays(self) -> Iterable[np.ndarray]:
        """Return what answers depend on: pictures (by a digest), captions and groups."""
        yield np.array(pictures_digest(self.pictures))
        for language, texts in self.texts.items():
            yield np.array([language, *map(_joined, texts)])
        yield from self.groupings.values()


class Vocabulary(NamedTuple):
    """Words, and of which pictures each is said: shape (pictures, words)."""

    words: list[str]
    said: Bool[np.ndarray, "pictures words"]

    @classmethod
    def of(
        cls, bags: Sequence[Iterable[str]], *, least: int = 1, most: int | None = None
    ) -> Vocabulary:
        """Return the words of at least so many bags, or so many of the most frequent ones."""
        counts = Counter(word for bag in bags for word in set(bag))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))[:most]
        words = [word for word in ranked if counts[word] >= least]
        said = np.array([[word in bag for word in words] for bag in map(set, bags)], bool)
        return cls(words, said.reshape(len(bags), len(words)))


def search_data(dataset: str, languages: Sequence[str]) -> SearchData:
    """Return a data set of the catalogue.

    Raises
    ------
    DatasetError
        If it cannot be had, or has no captions, or not in a language (with the nearest).
    """
    loaded: Any = datasets.load(dataset)
    if dataset in _SPECIAL:
        return _SPECIAL[dataset](loaded, languages)
    if not hasattr(loaded, "captions"):
        raise DatasetError(f"'{dataset}' has no pictures with captions")
    texts = _in_languages(dataset, loaded.captions, languages)
    return SearchData.of(
        *(loaded.images, texts, _ids(loaded.images), list(loaded.groups), loaded.categories)
    )


def pictures_digest(pictures: Sequence[Any]) -> str:
    """Return a digest of what is in files or arrays."""
    files = (np.zeros(0) if one is None else one for one in pictures)
    return digest(
        None, (f if isinstance(f, np.ndarray) else np.fromfile(f, np.uint8) for f in files)
    )


def _clip_art(loaded: Any, languages: Sequence[str]) -> SearchData:
    texts = _in_languages("open_clip_art", {"en": loaded.captions}, languages)
    categories = [category.split("/")[0] for category in loaded.categories]
    groups = list(loaded.groups)
    made = SearchData.of(loaded.images, texts, _ids(loaded.images), groups, categories)
    # The unknown artists are not one.
    artists = [artist or int(group) for artist, group in zip(loaded.artists, groups, strict=True)]
    tags = [tuple(tag for tag in tags if len(tag.split()) == 1) for tags in loaded.tags]
    return replace(made, groupings={**made.groupings, ARTISTS: _codes(artists)}, tags=tags)


def _emoji(loaded: Any, languages: Sequence[str]) -> SearchData:
    """Each vendor's drawing of an emoji is a picture, with its name and tags for a caption."""
    vendors, count = list(loaded.images), len(loaded.characters)
    texts = _in_languages("emoji", ByLanguage(partial(_named_and_tagged, loaded)), languages)
    return SearchData(
        [picture for vendor in vendors for picture in loaded.images[vendor]],
        {language: rows * len(vendors) for language, rows in texts.items()},
        [f"{character} {vendor}" for vendor in vendors for character in loaded.characters],
        {
            GROUPED: np.tile(loaded.groups, len(vendors)).astype(np.int64),
            RANDOM: np.tile(np.arange(count), len(vendors)),
        },
        [vendor for vendor in vendors for _ in range(count)],
        loaded.categories * len(vendors),
        [()] * (count * len(vendors)),
    )


_SPECIAL: Mapping[str, Callable[[Any, Sequence[str]], SearchData]] = {
    "open_clip_art": _clip_art,
    "emoji": _emoji,
}


def _codes(groups: Sequence[Hashable]) -> Codes:
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return np.array([number[group] for group in groups], np.int64)


def _named_and_tagged(loaded: Any, language: str) -> list[str]:
    rows = zip(loaded.names[language], loaded.tags[language], strict=True)
    return [", ".join([name, *tags]) for name, tags in rows]


def _in_languages(dataset: str, texts: Any, languages: Sequence[str]) -> dict[str, list[Any]]:
    for language in languages:
        if language not in texts:
            hint = suggestion(language, texts) or f" (there are {', '.join(texts)})"
            raise DatasetError(f"'{dataset}' has no captions in '{language}'{hint}")
    return {language: list(texts[language]) for language in languages}


def _ids(images: Sequence[Path]) -> list[str]:
    """Names of files from the folder that has all of them."""
    folder = os.path.commonpath(images)
    return [Path(image).relative_to(folder).as_posix() for image in images]


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else ", ".join(part for part in text or () if part)
