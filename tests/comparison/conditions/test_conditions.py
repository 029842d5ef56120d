"""Modalities left out, disturbed rows, few labels: what changes, what stays, and by how much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.comparison.conditions.disturbance import LEVELS, disturbances, disturbed
from mmgraph.comparison.conditions.few_labels import few_labels, shares_reached
from mmgraph.comparison.conditions.modality_sets import asked_sets, every_set
from mmgraph.comparison.results import Condition
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, UnknownVariableError

ROWS = 400


def data(rows: int = ROWS) -> MultimodalData:
    random = np.random.default_rng(0)
    return MultimodalData.of(
        {
            "table": random.normal(size=(rows, 3)) * [1.0, 10.0, 0.0],
            "image": 5 + 2 * random.normal(size=(rows, 4, 4)),
            "signal": [3 * random.normal(size=(5 + i % 3, 2)) for i in range(rows)],
            "text": ["a word"] * rows,
        },
        np.arange(rows) % 4,
    )


def numbers(rows: MultimodalData, modality: str) -> np.ndarray:
    """All cells of a modality, one after the other."""
    values = rows.blocks[modality].values
    return np.concatenate([np.ravel(v) for v in values if v is not None])


def test_every_set_of_modalities_but_the_empty_one():
    assert every_set(("a", "b")) == (("a", "b"), ("a",), ("b",))
    assert len(every_set(tuple("abcdef"))) == 63
    many = every_set(tuple("abcdefg"))
    assert (len(many), many[0], many[-1]) == (1 + 7 + 7, tuple("abcdefg"), ("g",))


def test_sets_that_are_asked_for_come_after_all_modalities():
    rows = data(4)
    everything = ("table", "image", "signal", "text")
    assert asked_sets(rows, ["text", ("signal", "table"), ()], ()) == (
        everything, ("text",), ("table", "signal"),
    )  # fmt: skip
    assert asked_sets(rows, None, ()) == (everything, *((m,) for m in everything))
    assert len(asked_sets(rows, None, ("subsets",))) == 15
    with pytest.raises(UnknownVariableError, match=r"'tabel'.*did you mean 'table'"):
        asked_sets(rows, [("tabel",)], ())


def test_what_can_be_disturbed():
    conditions = disturbances(data(4))
    per_kind = {k: len(v) for k, v in LEVELS.items()}
    assert len(conditions) == 3 * sum(per_kind.values()) + per_kind["rows"]
    assert {c.kind for c in conditions if c.modality == "text"} == {"rows"}
    with pytest.raises(LearningError, match="'text' is of texts"):
        disturbed(data(4), Condition("noise", "text", 1.0), data(4), 0)


@pytest.mark.parametrize("modality", ["table", "image", "signal"])
def test_noise_is_measured_in_deviations_of_training_rows(modality: str):
    training, test = data(), data().rows(slice(0, 300))
    before = numbers(test, modality)
    by_level = {
        level: numbers(disturbed(test, Condition("noise", modality, level), training, 3), modality)
        - before
        for level in (0.5, 2.0)
    }
    np.testing.assert_allclose(by_level[2.0], 4 * by_level[0.5], atol=1e-9)
    expected = {"table": [1.0, 10.0, 0.0], "image": [2.0], "signal": [3.0]}[modality]
    measured = by_level[2.0].reshape(-1, len(expected)).std(0) / 2
    np.testing.assert_allclose(measured, expected, rtol=0.12)
    again = disturbed(test, Condition("noise", modality, 2.0), training, 3)
    np.testing.assert_array_equal(numbers(again, modality) - before, by_level[2.0])
    other = disturbed(test, Condition("noise", modality, 2.0), training, 4)
    assert (numbers(other, modality) - before != by_level[2.0]).any()
    for name in {"table", "image", "signal", "text"} - {modality}:
        assert again.blocks[name] is test.blocks[name]


def test_a_modality_of_states_alone_has_no_noise():
    import pandas as pd

    states = pd.DataFrame({"s": list("abab"), "t": list("xyyx")})
    rows = MultimodalData.of({"states": states, "mixed": states.assign(x=1.5)}, [0, 1, 0, 1])
    kinds = {(c.kind, c.modality) for c in disturbances(rows)}
    assert kinds == {("cells", "states"), ("rows", "states"), *((k, "mixed") for k in LEVELS)}


def test_noise_leaves_states_and_what_is_missing():
    import pandas as pd

    table = pd.DataFrame({"x": [1.0, np.nan, 3.0, 4.0], "s": list("abab")})
    rows = MultimodalData.of({"mixed": table}, [0, 1, 0, 1])
    noisy = disturbed(rows, Condition("noise", "mixed", 1.0), rows, 0)
    before, after = rows.blocks["mixed"].values, noisy.blocks["mixed"].values
    np.testing.assert_array_equal(before[:, 1], after[:, 1])
    np.testing.assert_array_equal(np.isnan(before), np.isnan(after))
    assert (before[[0, 2, 3], 0] != after[[0, 2, 3], 0]).all()


@pytest.mark.parametrize("modality", ["table", "image", "signal", "text"])
@pytest.mark.parametrize("kind", ["cells", "rows"])
def test_what_is_dropped_at_one_level_is_dropped_at_higher_ones(kind: str, modality: str):
    if (kind, modality) == ("cells", "text"):
        return
    rows, before = data(), None
    for level in LEVELS[kind]:
        after = disturbed(rows, Condition(kind, modality, level), rows, 0)
        block = after.blocks[modality]
        gone = block.missing
        if kind == "cells":
            # A step of which nothing is left is still a step: absent sequences were dropped whole.
            cells = [np.full((5 + i % 3, 2), np.nan) if v is None else v
                     for i, v in enumerate(block.values)]  # fmt: skip
            gone = np.concatenate([np.isnan(v).ravel() for v in cells])
        assert gone.mean() == pytest.approx(level, abs=0.08)
        assert before is None or (gone | ~before).all()
        before = gone


@given(st.integers(0, 2**31), st.sampled_from([0.01, 0.05, 0.2, 0.5]))
@settings(max_examples=30, deadline=None)
def test_few_labels_are_nested_and_of_every_class(seed: int, share: float):
    rows = data(200)
    few = few_labels(rows, share, seed)
    counts = np.bincount(rows.codes[few], minlength=4)
    np.testing.assert_array_equal(counts, max(2, round(share * 50)))
    assert set(few.tolist()) <= set(few_labels(rows, 0.6, seed).tolist())
    assert (np.diff(few) > 0).all()


def test_few_labels_are_of_all_groups():
    groups = np.repeat(np.arange(6), 40)
    rows = MultimodalData.of({"x": np.zeros((240, 1))}, np.arange(240) % 3, groups=groups)
    sizes = [len(few_labels(rows, share, 5)) for share in (0.01, 0.05, 0.2)]
    assert sizes == [6, 12, 48]
    assert len({*groups[few_labels(rows, 0.2, 5)]}) == 6


def test_shares_of_labels_are_those_reached_and_stand_once():
    rows = MultimodalData.of({"x": np.zeros((60, 1))}, np.arange(60) % 3)
    trainings = [np.arange(40), np.arange(20, 60)]
    one, other = shares_reached(rows, trainings, 0)
    assert [few.share for few in (one, other)] == [6 / 40, 9 / 40]  # 1% and 5% are two a class
    assert [len(r) for r in (*one.rows, *other.rows)] == [6, 6, 9, 9]
    assert {*one.rows[1].tolist()} <= {*range(20, 60)}
    least = MultimodalData.of({"x": np.zeros((6, 1))}, [0, 1, 2] * 2)
    assert shares_reached(least, [np.arange(6)], 0) == []


def test_modalities_that_are_folded_share_no_noise_with_others():
    rows = mm.MultimodalData.of({"a": np.zeros((50, 1)), "b": np.zeros((50, 1))}, [0, 1] * 25)
    spread = mm.MultimodalData.of(
        {"a": np.tile([[1.0], [-1.0]], (25, 1)), "b": np.tile([[1.0], [-1.0]], (25, 1))}
    )
    one, other = (
        disturbed(rows, Condition("noise", m, 1.0), spread, 0).numbers(m) for m in ("a", "b")
    )
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.5
