"""What a retriever has learned: how pictures and texts are described, placed and judged."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from jaxtyping import Bool

from mmgraph.data.groups import coded_groups
from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.held_out_matches import held_out_calibrations, rows_to_hold_out
from mmgraph.retrieval.images.described import PictureFeatures, Progress, listed
from mmgraph.retrieval.measures.calibration import MatchCalibration
from mmgraph.retrieval.spaces.space import (
    FittedSpace,
    Pairs,
    Places,
    Space,
    check_pairs,
    has_terms,
)
from mmgraph.retrieval.texts.features import TextFeatures
from mmgraph.retrieval.texts.language_terms import LanguageTerms, Texts, by_language

if TYPE_CHECKING:
    from mmgraph.retrieval.images.described import Images


@dataclass(frozen=True, eq=False)
class RetrievalModel:
    """Pictures and texts in one space, and what their similarities mean.

    Attributes
    ----------
    pictures : PictureFeatures
        What a picture is described by.
    terms : LanguageTerms
        The terms of each language.
    space : FittedSpace
    calibrations : mapping of str to MatchCalibration
        How probable a similarity makes a match, for each question of
        :data:`~mmgraph.retrieval.held_out_matches.QUESTIONS`.
    """

    pictures: PictureFeatures
    terms: LanguageTerms
    space: FittedSpace
    calibrations: Mapping[str, MatchCalibration]

    @classmethod
    def fitted(
        cls,
        settings: tuple[PictureFeatures, TextFeatures, Space],
        images: Images,
        texts: Texts,
        groups: Sequence[Hashable] | None,
        seed: int,
        progress: Progress | None = None,
        calibrated: bool = True,
    ) -> Self:
        """Return the model of rows, of which those are learned from that have picture and text.

        What similarities mean takes as long again to learn, and may be left out.

        Raises
        ------
        LearningError
            If there are too few pairs, texts hold no words, or images, texts and groups differ in
            number.
        FormatError
            If a picture cannot be read (which).
        """
        pictures, kind, space = settings
        rows, given = by_language(texts), listed(images)
        count = len(next(iter(rows.values())))
        if not count:
            raise LearningError("there are no pictures and texts to learn from")
        if len(given) != count:
            raise LearningError(f"there are {len(given)} images and {count} texts")
        codes = np.arange(count) if groups is None else coded_groups("group", groups).codes
        if len(codes) != count:
            raise LearningError(f"there are {count} rows and {len(codes)} groups")
        terms = LanguageTerms.fitted(kind, rows)
        blocks = terms.features(rows)
        features = pictures.features(given, progress)
        paired = np.flatnonzero(_present(features) & np.any([*map(has_terms, blocks)], axis=0))
        pairs = Pairs(features, pictures.widths, blocks, seed).rows(paired)
        check_pairs(pairs)
        if not calibrated:
            return cls(pictures, terms, space.fit(pairs), {})
        # Of texts that are held out, too, words may be unknown.
        held_out = rows_to_hold_out(codes[paired], seed)
        shown = {name: [items[row] for row in paired] for name, items in rows.items()}
        learned = {
            name: [None if held else item for held, item in zip(held_out, items, strict=True)]
            for name, items in shown.items()
        }
        draft = pairs._replace(texts=LanguageTerms.fitted(kind, learned).features(shown))
        calibrations = held_out_calibrations(space, draft, held_out)
        return cls(pictures, terms, space.fit(pairs), calibrations)

    def picture_places(self, images: Images, progress: Progress | None = None) -> Places:
        """Return the places of pictures, or of their features; NaN where a row has none."""
        features = self.pictures.features(images, progress)
        places = np.full((len(features), self.space.width), np.nan, np.float32)
        there = _present(features)
        places[there] = self.space.pictures(features[there])
        return places

    def text_places(self, texts: Texts) -> Places:
        """Return the places of texts; zero where nothing of them is known."""
        return self.space.texts(self.terms.features(texts))


def _present(features: np.ndarray) -> Bool[np.ndarray, " rows"]:
    return ~np.isnan(features).any(1)
