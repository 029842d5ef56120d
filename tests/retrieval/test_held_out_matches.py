import numpy as np
import pytest

from mmgraph.data.splits import grouped_folds
from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.held_out_matches import QUESTIONS, held_out_calibrations
from mmgraph.retrieval.measures.calibration import MatchCalibration
from mmgraph.retrieval.spaces.canonical import CanonicalSpace
from tests.retrieval.spaces.test_canonical import pairs

KNOWN = pairs(rows=150)
SPACE = CanonicalSpace(width=4)


def test_matches_are_told_by_pairs_whose_groups_the_space_has_not_seen():
    groups = np.arange(150) // 3
    made = held_out_calibrations(SPACE, KNOWN, groups)
    assert tuple(made) == QUESTIONS
    test = grouped_folds(groups, 5, KNOWN.seed) == 0
    space = SPACE.fit(KNOWN.rows(np.flatnonzero(~test)))
    held_out = KNOWN.rows(np.flatnonzero(test))
    scores = space.texts(held_out.texts) @ space.pictures(held_out.pictures).T
    same = (held_out.texts[0] @ held_out.texts[0].T).toarray() > 1 - 1e-5
    matches = same | np.eye(len(scores), dtype=bool)
    assert made["text to picture"] == MatchCalibration.fitted(scores, matches)


def test_probabilities_of_held_out_pairs_are_about_right():
    groups = np.arange(150)
    made = held_out_calibrations(SPACE, KNOWN, groups)["text to picture"]
    fresh = pairs(seed=0, rows=150)
    space = SPACE.fit(fresh.rows(np.arange(100)))
    rest = fresh.rows(np.arange(100, 150))
    scores = space.texts(rest.texts) @ space.pictures(rest.pictures).T
    assert made.probabilities(scores, 50).sum() == pytest.approx(50, rel=0.5)


def test_pairs_of_one_group_cannot_be_held_out():
    with pytest.raises(MmgraphError, match="all pairs are of one group"):
        held_out_calibrations(SPACE, KNOWN, np.zeros(150, np.int64))


def test_without_captions_that_are_alike_texts_calibrate_pictures():
    unlike = KNOWN._replace(texts=tuple(block / 100 for block in KNOWN.texts))
    made = held_out_calibrations(SPACE, unlike, np.arange(150))
    assert made["picture to picture"] == made["text to picture"]
