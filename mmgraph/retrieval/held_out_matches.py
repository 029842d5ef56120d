"""How probable matches are, told by pairs that a draft of the space was not learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64

from mmgraph.data.splits import grouped_folds
from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.measures.calibration import MatchCalibration
from mmgraph.retrieval.spaces.space import (
    FEWEST_PAIRS,
    SIDES,
    Pairs,
    Side,
    Space,
    has_terms,
)

_PARTS = 5
_EQUAL = 1 - 1e-5
"""Captions with at least this cosine of their terms are the same."""
_ALIKE = 0.5
"""Captions with at least this cosine of their terms say the same."""


class Question(NamedTuple):
    """What is asked with, and what is found."""

    has_words: bool
    has_picture: bool
    find: Side

    def __str__(self) -> str:
        asked = {(True, False): "text", (False, True): "picture", (True, True): "both"}
        return f"{asked[self.has_words, self.has_picture]} to {self.find}"


QUESTIONS = tuple(
    Question(words, picture, find)
    for words, picture in ((True, False), (False, True), (True, True))
    for find in SIDES
)


def rows_to_hold_out(groups: Int64[np.ndarray, " rows"], seed: int) -> Bool[np.ndarray, " rows"]:
    """Return about a fifth of pairs: whole groups, as few pairs as can be.

    Raises
    ------
    LearningError
        If there are fewer than two groups, or too few pairs would be left.
    """
    if len(np.unique(groups)) < 2:
        raise LearningError(
            "all pairs are of one group: none can be held out to calibrate probabilities on"
        )
    folds = grouped_folds(groups, _PARTS, seed)
    sizes = np.bincount(folds)
    fold = int(np.where(sizes >= 2, sizes, len(groups)).argmin())
    if sizes[fold] < 2 or len(groups) - sizes[fold] < FEWEST_PAIRS:
        raise LearningError(
            f"{len(groups)} pairs in {len(np.unique(groups))} groups are too few: of some a space "
            f"is learned, {FEWEST_PAIRS} at least, and two or more are held out to calibrate "
            "probabilities on"
        )
    return folds == fold


def held_out_calibrations(
    space: Space, pairs: Pairs, held_out: Bool[np.ndarray, " rows"]
) -> dict[str, MatchCalibration]:
    """Return the calibration of each question, told by the pairs that are held out.

    A text and a picture match where they are a pair, or the picture's own text is the same. A
    picture matches another, a text another, and a pair a picture or text that is not its own,
    where both captions say about the same; where no captions do, or all, the calibration of texts
    to pictures serves.

    Parameters
    ----------
    space : Space
        It is fitted to the other pairs.
    pairs : Pairs
    held_out : ndarray of bool, shape (rows,)

    Raises
    ------
    LearningError
        As ``space.fit``; or if all captions that are held out say the same.
    """
    fitted = space.fit(pairs.rows(np.flatnonzero(~held_out)))
    told = pairs.rows(np.flatnonzero(held_out))
    places = {"images": fitted.pictures(told.pictures), "texts": fitted.texts(told.texts)}
    itself = np.eye(len(told.pictures), dtype=bool)
    alike = caption_likeness(told)
    same = itself | (alike > _EQUAL)
    if same.all():
        raise LearningError(
            "all captions that are held out to calibrate probabilities on are the same: there is "
            "nothing to tell apart"
        )
    of_words = MatchCalibration.fitted(places["texts"] @ places["images"].T, same)
    calibrations = {}
    # Every item but a query's own, so that queries have one column less.
    others, shape = ~itself, (len(itself), len(itself) - 1)
    matches = (alike >= _ALIKE)[others].reshape(shape)
    for question in QUESTIONS:
        queries = _queries(places, question)
        scores = queries @ places[question.find].T
        if question == (True, False, "images"):
            made = of_words
        elif question == (False, True, "texts"):
            made = MatchCalibration.fitted(scores, same)
        elif matches.any() and not matches.all():
            made = MatchCalibration.fitted(scores[others].reshape(shape), matches)
        else:
            made = of_words
        calibrations[str(question)] = made
    return calibrations


def _queries(places: dict[str, np.ndarray], question: Question) -> np.ndarray:
    if question.has_words and question.has_picture:
        return np.asarray((places["images"] + places["texts"]) / 2)
    return places["texts" if question.has_words else "images"]


def caption_likeness(pairs: Pairs) -> Float[np.ndarray, "rows rows"]:
    """Return the cosine of captions, a mean over the languages that both have."""
    spoken = [has_terms(block).astype(np.float64) for block in pairs.texts]
    both = sum(np.outer(there, there) for there in spoken)
    total = sum((block @ block.T).toarray() for block in pairs.texts)
    return np.asarray(total / np.maximum(both, 1))
