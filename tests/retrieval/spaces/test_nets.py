import functools
import json

import numpy as np
import pytest

from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.errors import FormatError, LearningError
from mmgraph.retrieval.spaces.named import restored_settings, space_settings
from mmgraph.retrieval.spaces.nets import FittedNetSpace, NetSpace
from mmgraph.retrieval.spaces.space import Pairs
from tests.retrieval.spaces.test_canonical import pairs

KNOWN = pairs(rows=120, languages=2)
TINY = {"width": 8, "coordinates": 4, "hidden": 16, "dropout": 0.0}


@functools.cache
def fitted(tie: str) -> FittedNetSpace:
    return NetSpace(tie, **TINY).fit(KNOWN)


def scores(space: FittedNetSpace, rows: Pairs) -> np.ndarray:
    return space.pictures(rows.pictures) @ space.texts(rows.texts).T


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "tie", ["contrastive", *(pytest.param(tie, marks=_SLOW) for tie in ("cosine", "deep_cca"))]
)
def test_pairs_lie_nearer_than_others_and_a_stored_space_places_to_the_bit(tie):
    space = fitted(tie)
    found = scores(space, KNOWN)
    assert found.shape == (120, 120)
    assert (np.diag(found) > np.median(found, axis=1)).mean() > 0.75
    np.testing.assert_array_equal(scores(FittedNetSpace.restored(space.parts()), KNOWN), found)


@pytest.mark.slow
def test_losses_within_a_side_are_added_and_told():
    space = NetSpace(**TINY, losses=("reconstruction",)).fit(KNOWN)
    assert list(space.contributions) == ["Contrastive", "Reconstruction"]
    assert min(space.contributions.values()) > 0
    chosen = NetSpace(losses=("coral",))
    entry = json.loads(json.dumps(space_settings(chosen)))
    assert restored_settings(JsonObject("", entry)) == chosen


def test_a_language_may_lack_a_text():
    texts = tuple(block.copy() for block in KNOWN.texts)
    texts[1].data[:] = 0
    texts[1].eliminate_zeros()
    space = fitted("contrastive")
    assert np.isfinite(scores(space, KNOWN._replace(texts=texts))).all()


def test_wrong_rows_and_parts_are_refused():
    with pytest.raises(LearningError, match=r"5 pairs .* too few"):
        NetSpace(**TINY).fit(KNOWN.rows(np.arange(5)))
    parts = fitted("contrastive").parts()
    parts.settings["text_maps"] = parts.settings["text_maps"][:1]
    with pytest.raises(FormatError, match="nets do not fit the coordinates"):
        FittedNetSpace.restored(parts)
