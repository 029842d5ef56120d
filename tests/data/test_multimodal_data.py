"""Rows of several modalities: made from what users have, cut, joined, and read by models."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.blocks.columns import Columns
from mmgraph.data.blocks.sequences_and_texts import Sequences
from mmgraph.data.groups import Groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, UnknownVariableError

NAN = float("nan")


def small(rows: int = 4) -> MultimodalData:
    """Rows of every kind of modality, the second one without most of them."""
    counted = np.arange(rows)
    return MultimodalData.of(
        {
            "lab": pd.DataFrame({"age": counted * 1.5, "er": ["no", None, "yes", "no"][:rows]}),
            "vector": np.where(counted == 1, NAN, counted)[:, None] * [1.0, 2.0],
            "image": np.where(counted == 1, NAN, counted)[:, None, None] * np.ones((2, 3)),
            "sound": [None if i == 1 else np.full((i + 2, 2), float(i)) for i in range(rows)],
            "note": [None if i == 1 else f"note {i}" for i in range(rows)],
        },
        target=["ill", "well", "ill", "ill"][:rows],
        groups=["ann", "bob", "ann", "eve"][:rows],
        weights=counted + 1.0,
    )


def same(found: pd.DataFrame, frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


def cells(data: MultimodalData) -> list[object]:
    return [repr(array.tolist()) for array in data.arrays()]


def test_what_is_missing():
    data = small()
    missing = {modality: block.missing.tolist() for modality, block in data.blocks.items()}
    assert missing.pop("lab") == [False] * 4
    assert set(map(tuple, missing.values())) == {(False, True, False, False)}
    np.testing.assert_array_equal(
        data.numbers("lab"), [[0, 1, 0], [1.5, NAN, NAN], [3, 0, 1], [4.5, 1, 0]]
    )
    assert data.target.labels == ("ill", "well")
    assert data.codes.tolist() == [0, 1, 0, 0]
    assert data.groups is not None
    assert data.groups.codes.tolist() == [0, 1, 0, 2]
    for modality in data.modalities:
        emptied = data.without(modality)
        assert emptied.blocks[modality].missing.all()
        alone = data.only(modality)
        assert all(alone.blocks[m].missing.all() for m in data.modalities if m != modality)
        assert not alone.blocks[modality].missing.all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 6))
def test_rows_that_are_taken_and_joined_are_those_rows(index, place):
    data = small()
    chosen = data.rows(np.array(index))
    frame = pd.DataFrame({n: [c[i] for i in index] for n, c in data.columns().items()})
    same(chosen.to_frame(), frame)
    place = min(place, len(index))
    if 0 < place < len(index):
        first, second = data.rows(np.array(index[:place])), data.rows(np.array(index[place:]))
        same(first.join(second).to_frame(), frame)


def test_masks_slices_and_shuffled_rows():
    data = small()
    mask = np.array([True, False, False, True])
    assert cells(data.rows(mask)) == cells(data.rows(np.array([0, 3])))
    assert cells(data.rows(slice(1, 3))) == cells(data.rows(np.array([1, 2])))
    shuffled = data.shuffled(3)
    assert sorted(shuffled.weights.tolist()) == data.weights.tolist()
    assert cells(shuffled) == cells(data.shuffled(3))
    assert cells(shuffled.rows(np.argsort(shuffled.weights))) == cells(data)


def test_copies_and_pickles():
    data = small()
    for other in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        pd.testing.assert_frame_equal(other.to_frame(), data.to_frame())


def test_parts_that_are_missing():
    data = small()
    names = {modality: block.parts(modality) for modality, block in data.blocks.items()}
    assert names["lab"] == ("age", "er")
    assert names["vector"] == ("vector[0]", "vector[1]")
    assert names["image"][4] == "image[1, 1]"
    assert names["sound"] == ("sound[0]", "sound[1]")
    assert names["note"] == ("note", "0", "2", "3")
    for modality, block in data.blocks.items():
        for place in range(len(names[modality])):
            less = block.without_part(place)
            assert type(less) is type(block)
            assert len(less) == len(block)
    lab = data.blocks["lab"].without_part(1).numbers()
    np.testing.assert_array_equal(lab, np.where([True, False, False], data.numbers("lab"), NAN))
    image = data.blocks["image"].without_part(4).values
    assert np.isnan(image[0]).sum() == 1
    assert np.isnan(image[0, 1, 1])
    sound = data.blocks["sound"].without_part(1).values
    assert np.isnan(sound[0][:, 1]).all()
    assert not np.isnan(sound[0][:, 0]).any()
    assert data.blocks["note"].without_part(0).values == (" 0", None, " 2", " 3")


def test_rows_keep_their_groups():
    whole = MultimodalData.of_numbers(
        {"x": np.arange(4.0)[:, None]},
        np.arange(4),
        mm.Variable("y", 4),
        Groups("who", np.arange(4)),
    )
    some = whole.rows(np.array([2, 0]))
    assert some.groups is not None
    np.testing.assert_array_equal(some.groups.codes, [2, 0])
    assert some.without_groups().groups is None
    assert whole.without_groups().rows(np.array([1])).groups is None


def test_a_network_reads_rows_as_evidence_and_learns_from_them():
    frame = pd.DataFrame({"fever": ["no", "yes", None, "no"], "cough": ["yes", "yes", "no", "no"]})
    data = MultimodalData.of({"signs": frame}, target=["a", "b", "b", "a"], name="disease")
    net = mm.BayesianNetwork.from_data(data, [("disease", "fever"), ("disease", "cough")])
    whole = mm.BayesianNetwork.from_data(
        frame.assign(disease=["a", "b", "b", "a"]), [("disease", "fever"), ("disease", "cough")]
    )
    expected = mm.query(whole, frame, ["disease"]).marginal("disease")
    found = mm.query(net, data, ["disease"]).marginal("disease")
    np.testing.assert_array_equal(found, expected)
    alone = mm.query(net, data.without("signs"), ["disease"]).marginal("disease")
    np.testing.assert_allclose(alone, np.tile([[0.5, 0.5]], (len(alone), 1)))


def test_a_leaf_of_named_columns_reads_a_modality():
    x = mm.Variable("x", shape=(2,), family="gaussian", columns=("a", "b"))
    y = mm.Variable("y", 2)
    leaf = mm.GaussianLeaf(x, [y], [[0.0, 0.0], [1.0, 1.0]], np.stack([np.eye(2)] * 2))
    net = mm.BayesianNetwork([y, x], [mm.TableFactor((y,), [0.5, 0.5], child=y), leaf])
    rows = [[0.0, 0.2], [NAN, 1.0]]
    by_name = MultimodalData.of({"lab": pd.DataFrame(rows, columns=["a", "b"])})
    whole = MultimodalData.of({"x": rows})
    expected = mm.query(net, {"x": rows}, ["y"]).marginal("y")
    for data in (by_name, whole):
        np.testing.assert_array_equal(mm.query(net, data, ["y"]).marginal("y"), expected)


def test_continuous_targets_and_missing_ones():
    data = MultimodalData.of({"x": [[1.0], [2.0]]}, target=[0.5, NAN])
    assert data.target.family == "gaussian"
    with pytest.raises(LearningError, match="the target 'target' of the data has no states"):
        data.codes  # noqa: B018
    with pytest.raises(LearningError, match="row 1 of the data has no 'y'"):
        MultimodalData.of({"x": [[1.0], [2.0]]}, target=["a", None], name="y").codes  # noqa: B018
    with pytest.raises(LearningError, match="there is no target in the data"):
        MultimodalData.of({"x": [[1.0]]}).target  # noqa: B018


@pytest.mark.parametrize(
    ("modalities", "options", "message"),
    [
        ({}, {}, "there is no modality in the data"),
        ({"x": [1.0, 2.0]}, {}, "the modality 'x' is a data frame or series, an array of two axes"),
        ({"x": [["a", "b"]]}, {}, "'x' is no array of numbers"),
        ({"x": [[1.0], [np.inf]]}, {}, "'x' is infinite in row 1"),
        (
            {"x": [[1.0]], "z": [[1.0], [2.0]]},
            {},
            "the modality 'z' of the data: 2 rows, where .* 1",
        ),
        ({"x": [[1.0]]}, {"target": ["a", "b"]}, "target of the data: 2 rows, where"),
        ({"x": [[1.0]]}, {"groups": ["a", "b"]}, "groups of the data: 2 rows, where"),
        ({"x": [[1.0]]}, {"weights": [-1.0]}, "the weight of row 0 of the data is -1; weights are"),
        (
            {"x": [None, np.ones((6, 4)), np.ones((5, 5))]},
            {},
            r"'x', row 2: images or sequences differ in size: \(5, 5\), and \(6, 4\) in row 1; "
            "images are of one shape, sequences have one number of channels",
        ),
        (
            {"x": [np.ones((6, 4)), np.ones(5)]},
            {},
            r"row 1: images or sequences differ in size: \(5,\), and \(6, 4\) in row 0",
        ),
        (
            {"x": [None, np.ones((4, 4, 3)), np.ones((4, 5, 3))]},
            {},
            r"images \(arrays\) of 'x' differ in size: some have shape \(4, 4, 3\), and some "
            r"\(4, 5, 3\)",
        ),
    ],
)
def test_what_is_no_data(modalities, options, message):
    with pytest.raises(LearningError, match=message):
        MultimodalData.of(modalities, **options)


def test_arrays_of_equal_width_and_other_heights_are_sequences():
    block = MultimodalData.of({"x": [np.ones((6, 4)), None, np.ones((5, 4))]}).block("x")
    assert [None if v is None else v.shape for v in block.values] == [(6, 4), None, (5, 4)]


def test_what_cannot_be_asked_or_joined():
    data = small()
    with pytest.raises(UnknownVariableError, match="no modality 'imag'; did you mean 'image'"):
        data.without("imag")
    with pytest.raises(LearningError, match="'note' is of texts, and no table of numbers"):
        data.numbers("note")
    other = MultimodalData.of({"x": [[1.0]]})
    with pytest.raises(LearningError, match="data of x cannot be joined with data of lab"):
        other.join(data)
    for block, message in (
        ([[1.0, 2.0]], "1 columns cannot be joined with 2"),
        (np.ones((1, 2, 2)), "Arrays cannot be joined with Columns"),
    ):
        with pytest.raises(LearningError, match=message):
            other.join(MultimodalData.of({"x": block}))
    with pytest.raises(LearningError, match="only some of the data to be joined have weights"):
        other.join(MultimodalData.of({"x": [[1.0]]}, weights=[1.0]))
    with pytest.raises(LearningError, match="cannot be joined"):
        MultimodalData.of({"x": [[1.0], [2.0]]}, target=["a", "b"]).join(
            MultimodalData.of({"x": [[1.0], [2.0]]}, target=["a", "c"])
        )


def test_a_series_is_a_column_or_texts():
    of = mm.MultimodalData.of
    numbers = of({"n": pd.Series([1.0, None, 3.0], name="age")}).blocks["n"]
    assert numbers.names == ("age",)
    np.testing.assert_array_equal(numbers.values, [[1.0], [np.nan], [3.0]])
    assert of({"n": pd.Series([1, 2])}).blocks["n"].names == ("n[0]",)
    states = of({"n": pd.Series(["a", "b", "a"], dtype="category")}).blocks["n"]
    assert states.kinds == ("categorical",)
    texts = of({"n": pd.Series(["no complaints", None, "pain"])}).blocks["n"]
    assert texts.values == ("no complaints", None, "pain")
    assert len(of({"n": pd.Series([[1.0, 2.0], [3.0]])}).blocks["n"]) == 2


def test_times_cut_folds():
    times = np.array(["2020-01-03", "2020-01-01", "NaT", "2020-01-02"], "datetime64[D]")
    data = mm.MultimodalData.of({"n": np.zeros((4, 1))}, times=times)
    np.testing.assert_array_equal(data.times, [1578009600, 1577836800, np.nan, 1577923200])
    ordered = mm.MultimodalData.of({"n": np.zeros((4, 1))}, times=[4, 3, 2, 1])
    (training, test), *_ = mm.folds(ordered, "time", 3)
    assert (training.tolist(), test.tolist()) == ([3], [2])
    for wrong in (["early", "late", "later", "last"], np.zeros((4, 2)), [1, 2, 3]):
        with pytest.raises(LearningError, match="times"):
            mm.MultimodalData.of({"n": np.zeros((4, 1))}, times=wrong)


def test_rows_that_are_not_there_are_named():
    data = mm.MultimodalData.of({"n": np.arange(4.0)[:, None], "t": list("abcd")}, groups=[1] * 4)
    assert repr(data.only("t")) == "<MultimodalData: 4 rows of 'n' (missing), 't', groups 'group'>"
    for chosen in ([2, 0], np.array([2, 0])):
        assert data[chosen].blocks["t"].values == ("c", "a")
        assert data.rows(chosen).numbers("n").tolist() == [[2.0], [0.0]]
    assert data[1:3].blocks["t"].values == data[[False, True, True, False]].blocks["t"].values
    assert len(data[[]]) == 0
    for wrong in ([0, 4], 2, [True, False], [-5], [0.5], "t"):
        with pytest.raises(LearningError, match=r"numbers from 0 to 3 or a mask of 4, not by"):
            data.rows(wrong)


def test_arrays_of_one_length_are_sequences_too():
    weeks = [np.arange(7.0) + row for row in range(4)]
    for values in (weeks, [*weeks[:3], None]):
        block = mm.MultimodalData.of({"steps": values}).blocks["steps"]
        assert isinstance(block, Sequences)
        assert block.channels == 1
    tables = mm.MultimodalData.of({"lab": [[1.0, 2.0], [3.0, 4.0]]})
    assert isinstance(tables.blocks["lab"], Columns)
