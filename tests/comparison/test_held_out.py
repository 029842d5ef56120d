"""Rows are answered by models that have not learned from them, with every set of modalities."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

import numpy as np
import pytest
from sklearn.metrics import log_loss

import mmgraph as mm
from mmgraph.data.leak_alarm import LeakWarning
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, MmgraphError, UnknownVariableError
from mmgraph.learning.prediction.noise import standard_error
from mmgraph.networks.boltzmann.answers import PriorWarning

ROWS, SETS = 40, (("number", "noise"), ("number",), ("noise",))


def data(groups: object = None, rows: int = ROWS) -> MultimodalData:
    """Rows that say which they are, in no order, and two states by turns."""
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(rows, 2))
    return MultimodalData.of(
        {"number": generator.permutation(rows)[:, None], "noise": noise},
        np.where(np.arange(rows) % 2, "odd", "even"),
        groups=groups,
    )


class Remembering:
    """Says whether it has learned from a row, whatever is asked, and how much it is given."""

    classes_ = np.array(["even", "odd"])

    def fit(self, data: MultimodalData, /) -> Self:
        self.learned = set(data.numbers("number").ravel().tolist())
        return self

    def predict_proba(
        self, data: MultimodalData, /, given: Collection[str] | None = None
    ) -> np.ndarray:
        assert given is not None
        numbers = data.numbers("number").ravel()
        new = np.array([0.5 / len(given) * (row not in self.learned) for row in numbers])
        return np.stack([new, 1 - new], 1)


@pytest.mark.parametrize("groups", [None, np.repeat(list("abcd"), 10)], ids=["alone", "grouped"])
def test_each_row_is_answered_by_a_model_that_has_not_learned_from_it(groups: Any):
    predictor = Remembering()
    tested = mm.cross_validate(predictor, data(groups))
    assert [s.split.split for s in tested.splits] == ["random", "grouped"][: 2 - (groups is None)]
    for held_out in tested.splits:
        assert tuple(held_out.predicted) == SETS
        for given, table in held_out.predicted.items():
            np.testing.assert_array_equal(table[:, 0], 0.5 / len(given))
    assert not hasattr(predictor, "learned")


def test_figures_are_those_of_rows_in_the_order_of_the_data():
    groups = np.repeat(np.arange(4), 10)
    rows = data(groups)
    classifier = mm.MultimodalClassifier(leaves="mixture", joint=[], folds=2)
    tested = mm.cross_validate(classifier, rows, given=["noise", ("number", "noise")], folds=2)
    random, grouped = tested.splits
    for held_out, own in ((random, rows.without_groups()), (grouped, rows)):
        by_hand = np.full((ROWS, 2), np.nan)
        for training, test in mm.folds(own, count=2):
            classifier.fit(own.rows(training))
            by_hand[test] = classifier.predict_proba(own.rows(test), given="noise")
        np.testing.assert_array_equal(held_out.predicted[("noise",)], by_hand)
        line = held_out.figures()[0]
        assert (line["split"], line["given"]) == (held_out.split.split, ["noise"])
        assert line["log_loss"] == pytest.approx(log_loss(rows.codes, by_hand))
        losses = -np.log(by_hand[np.arange(ROWS), rows.codes])
        together = None if held_out is random else groups
        assert line["log_loss_standard_error"] == pytest.approx(standard_error(losses, together))
    assert tested.figures() == [*random.figures(), *grouped.figures()]
    frame = tested.to_frame()
    assert frame.columns[0] == "log_loss"
    assert frame.index.tolist()[1:3] == [("random", "number, noise"), ("grouped", "noise")]
    assert frame.loc[("grouped", "noise"), "log_loss"] == line["log_loss"]


def test_blocks_are_left_out_where_random_rows_leak():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(300, 1)), axis=0)
    rows = MultimodalData.of({"number": walk}, np.arange(300) % 2)
    with pytest.warns(LeakWarning):
        tested = mm.cross_validate(Remembering(), rows)
    assert [s.split.groups for s in tested.splits] == [None, "block"]


def test_rows_that_have_nothing_are_counted_in_the_data():
    noise = np.random.default_rng(0).normal(size=(ROWS, 1))
    noise[33] = np.nan
    rows = MultimodalData.of(
        {"number": np.arange(ROWS)[:, None], "noise": noise}, list(ROWS // 2 * "ab")
    )
    classifier = mm.MultimodalClassifier(leaves="mixture", joint=[], folds=2)
    with pytest.warns(PriorWarning, match="row 33 has none") as warned:
        mm.cross_validate(classifier, rows, given=["noise"], folds=2)
    assert [w.filename for w in warned if w.category is PriorWarning] == [__file__]


@pytest.mark.parametrize(
    ("rows", "options", "error", "match"),
    [
        (data(), {"given": ["nois"]}, UnknownVariableError, "'nois'.*noise"),
        (data(), {"folds": 1}, MmgraphError, "two folds"),
        (data(), {"folds": 21}, MmgraphError, "'even'.*20 rows, fewer than 21"),
        (MultimodalData.of({"number": [[1.0], [2.0]]}), {}, LearningError, "no target"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    rows: MultimodalData, options: dict[str, Any], error: type[Exception], match: str
):
    with pytest.raises(error, match=match):
        mm.cross_validate(Remembering(), rows, **options)
