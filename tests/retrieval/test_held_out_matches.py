import numpy as np
import pytest
import scipy.sparse as sp

from mmgraph.graph.errors import LearningError
from mmgraph.retrieval.held_out_matches import (
    QUESTIONS,
    caption_likeness,
    held_out_calibrations,
    rows_to_hold_out,
)
from mmgraph.retrieval.measures.calibration import MatchCalibration
from mmgraph.retrieval.spaces.canonical import CanonicalSpace
from tests.retrieval.spaces.test_canonical import pairs

ALL = pairs(rows=250)
KNOWN = ALL.rows(np.arange(150))
SPACE = CanonicalSpace(width=4)


def test_matches_are_told_by_pairs_whose_groups_the_space_has_not_seen():
    groups = np.arange(150) // 3
    held_out = rows_to_hold_out(groups, 0)
    assert not set(groups[held_out]) & set(groups[~held_out])
    made = held_out_calibrations(SPACE, KNOWN, held_out)
    assert tuple(made) == tuple(map(str, QUESTIONS))
    space = SPACE.fit(KNOWN.rows(np.flatnonzero(~held_out)))
    told = KNOWN.rows(np.flatnonzero(held_out))
    scores = space.texts(told.texts) @ space.pictures(told.pictures).T
    same = (told.texts[0] @ told.texts[0].T).toarray() > 1 - 1e-5
    matches = same | np.eye(len(scores), dtype=bool)
    assert made["text to images"] == MatchCalibration.fitted(scores, matches)


def test_probabilities_of_new_pairs_are_about_right():
    made = held_out_calibrations(SPACE, KNOWN, rows_to_hold_out(np.arange(150), 0))
    space, new = SPACE.fit(KNOWN), ALL.rows(np.arange(150, 250))
    scores = space.texts(new.texts) @ space.pictures(new.pictures).T
    probabilities = made["text to images"].probabilities(scores, 100)
    assert probabilities.sum() == pytest.approx(100, rel=0.3)
    assert np.diag(probabilities).mean() > 1.5 * probabilities.mean()


def test_captions_are_compared_in_the_languages_that_both_have():
    terms = sp.csr_array(np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], "f4"))
    others = sp.csr_array(np.array([[0, 0], [1, 0], [0, 0], [1, 0]], "f4"))
    found = caption_likeness(KNOWN._replace(texts=(terms, others)))
    expected = [[1, 1, 0, 0.6], [1, 1, 0, 0.8], [0, 0, 1, 0.8], [0.6, 0.8, 0.8, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_language_without_any_text_is_refused():
    silent = sp.csr_array((150, 3), dtype=np.float32)
    with pytest.raises(LearningError, match="no text differs"):
        SPACE.fit(KNOWN._replace(texts=(*KNOWN.texts, silent)))


def test_the_smallest_part_is_held_out():
    groups = np.repeat([0, 1, 2], [100, 45, 5])
    assert np.unique(groups[rows_to_hold_out(groups, 0)]).tolist() == [2]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(50, int), "all pairs are of one group"),
        (np.arange(11) // 6, "11 pairs in 2 groups are too few"),
        (np.r_[np.zeros(20, int), 1], "21 pairs in 2 groups are too few"),
    ],
)
def test_groups_of_which_none_can_be_held_out_are_refused(groups, message):
    with pytest.raises(LearningError, match=message):
        rows_to_hold_out(groups, 0)


def test_captions_that_are_all_the_same_cannot_calibrate():
    first = KNOWN.rows(np.zeros(150, int)).texts
    with pytest.raises(LearningError, match="no text differs"):
        held_out_calibrations(
            SPACE, KNOWN._replace(texts=first), rows_to_hold_out(np.arange(150), 0)
        )
    held_out = np.arange(150) < 30
    texts = (KNOWN.rows(np.where(held_out, 0, np.arange(150))).texts[0],)
    with pytest.raises(LearningError, match=r"captions that are held out .* are the same"):
        held_out_calibrations(SPACE, KNOWN._replace(texts=texts), held_out)


def test_without_captions_that_are_alike_texts_calibrate_pictures():
    unlike = KNOWN._replace(texts=tuple(block / 100 for block in KNOWN.texts))
    made = held_out_calibrations(SPACE, unlike, rows_to_hold_out(np.arange(150), 0))
    assert made["picture to images"] == made["text to images"]
