"""How probable matches are, told by pairs that a draft of the space was not learned from."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from mmgraph.data.splits import grouped_folds
from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.measures.calibration import MatchCalibration
from mmgraph.retrieval.spaces.space import Pairs, Space

QUESTIONS = ("text to picture", "picture to text", "picture to picture", "both to picture")
"""What is asked by what; places of texts are compared with each other by the first."""
_PARTS = 5
_EQUAL = 1 - 1e-5
"""Captions with at least this cosine of their terms are the same."""
_ALIKE = 0.5
"""Captions with at least this cosine of their terms say the same."""


def held_out_calibrations(
    space: Space, pairs: Pairs, groups: Int64[np.ndarray, " rows"]
) -> dict[str, MatchCalibration]:
    """Return the calibration of each question, from a fifth of the pairs.

    A text and a picture match where they are a pair, or the picture's own text is the same. A
    picture, alone or with its text, matches another whose caption says about the same; where no
    captions do, the calibration of texts to pictures serves.

    Parameters
    ----------
    space : Space
        It is fitted to the other pairs.
    pairs : Pairs
    groups : ndarray of int
        Pairs of one group stay on one side.

    Raises
    ------
    LearningError
        As ``space.fit``.
    MmgraphError
        If there are fewer than two groups.
    """
    if len(np.unique(groups)) < 2:
        raise MmgraphError("all pairs are of one group: none can be held out to calibrate on")
    test = grouped_folds(groups, _PARTS, pairs.seed) == 0
    fitted = space.fit(pairs.rows(np.flatnonzero(~test)))
    held_out = pairs.rows(np.flatnonzero(test))
    pictures, texts = fitted.pictures(held_out.pictures), fitted.texts(held_out.texts)
    itself = np.eye(len(pictures), dtype=bool)
    alike = sum(block @ block.T for block in held_out.texts).toarray() / len(held_out.texts)
    pairs_of_words = itself | (alike > _EQUAL)
    of_text = MatchCalibration.fitted(texts @ pictures.T, pairs_of_words)
    calibrations = {
        "text to picture": of_text,
        "picture to text": MatchCalibration.fitted(pictures @ texts.T, pairs_of_words),
    }
    # Every picture but itself, so that the queries have one column less.
    others = ~itself
    shape = (len(pictures), len(pictures) - 1)
    matches = (alike >= _ALIKE)[others].reshape(shape)
    for question, queries in (
        ("picture to picture", pictures),
        ("both to picture", (pictures + texts) / 2),
    ):
        scores = (queries @ pictures.T)[others].reshape(shape)
        usable = matches.any() and not matches.all()
        calibrations[question] = MatchCalibration.fitted(scores, matches) if usable else of_text
    return calibrations
