"""Sequences in numbers: by their definitions, and whatever is missing, constant, short or large."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.data.blocks.sequence_summaries import SUMMARIES, summaries
from mmgraph.data.blocks.sequences_and_texts import Sequences
from mmgraph.graph.errors import LearningError

NAN = float("nan")


def of(*values: float) -> dict[str, float]:
    (row,) = summaries([np.array(values)[:, None]], 1)
    return dict(zip(["length", *SUMMARIES], row.tolist(), strict=True))


def test_each_is_what_it_is_called():
    random = np.random.default_rng(0)
    values = random.standard_normal(41)
    told = of(*values)
    centred = values - values.mean()
    expected = {
        "length": 41,
        "mean": values.mean(),
        "deviation": values.std(),
        "minimum": values.min(),
        "lower quartile": np.quantile(values, 0.25),
        "median": np.median(values),
        "upper quartile": np.quantile(values, 0.75),
        "maximum": values.max(),
        "mean absolute step": np.abs(np.diff(values)).mean(),
        "autocorrelation": (centred[1:] * centred[:-1]).sum() / (centred**2).sum(),
        "slope": np.polyfit(np.arange(41), values, 1)[0],
    }
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    assert sum(told[name] for name in SUMMARIES[-4:]) == pytest.approx(1)


@pytest.mark.parametrize(("frequency", "band"), [(0.03, 16), (0.1, 8), (0.2, 4), (0.4, 2)])
def test_a_wave_lies_in_the_band_of_its_frequency(frequency, band):
    told = of(*np.sin(2 * np.pi * frequency * np.arange(200)))
    assert told[f"share of frequencies up to 1/{band}"] == pytest.approx(1, abs=0.02)


def test_what_single_steps_constants_and_missing_steps_have():
    single = of(3.0)
    assert [single[n] for n in ("length", "mean", "deviation", "maximum")] == [1, 3, 0, 3]
    assert np.isnan([single[n] for n in ("slope", "autocorrelation", SUMMARIES[-1])]).all()
    constant = of(2.0, 2.0, 2.0)
    assert constant["slope"] == constant["mean absolute step"] == 0
    assert np.isnan(constant["autocorrelation"])
    assert of(1.0, NAN, 3.0, NAN) == pytest.approx(of(1.0, 2.0, 3.0, 3.0))
    nothing = of(NAN, NAN)
    assert nothing.pop("length") == 2
    assert np.isnan(list(nothing.values())).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.none() | st.floats(-1e300, 1e300), min_size=1, max_size=12
    ).filter(lambda values: any(v is not None for v in values)),
    st.sampled_from([1e-3, 1e6]),
)  # fmt: skip
def test_no_number_is_infinite_and_units_do_not_matter(values, unit):
    array = np.array([NAN if v is None else v for v in values])
    told = of(*array)
    assert not np.isinf(list(told.values())).any()
    small = array / 1e300 if np.nanmax(np.abs(array)) > 1e6 else array
    first, second = of(*small), of(*(small * unit))
    assert np.isnan(first["median"]) == np.isnan(second["median"])
    assert second["median"] == pytest.approx(first["median"] * unit, rel=1e-9, abs=1e-300)


def test_blocks_of_sequences_keep_their_channels():
    data = mm.MultimodalData.of({"s": [np.ones((2, 2)), None, np.arange(6.0).reshape(3, 2)]})
    whole = data.numbers("s")
    assert whole.shape == (3, 1 + 2 * len(SUMMARIES))
    assert np.isnan(whole[1]).all()
    index = np.array([2, 1])
    np.testing.assert_array_equal(data.rows(index).numbers("s"), whole[index])
    assert data.without("s").numbers("s").shape == whole.shape
    assert Sequences((None,)).join([data.blocks["s"]]).numbers().shape == (4, whole.shape[1])
    assert Sequences((None,)).numbers().shape == (1, 1 + len(SUMMARIES))


def test_a_sequence_of_length_zero_is_named():
    with pytest.raises(LearningError, match="'s', row 1: the sequence has length zero"):
        mm.MultimodalData.of({"s": [np.ones((2, 2)), np.ones((0, 2))]})
    with pytest.raises(LearningError, match="'s', row 0: the sequence has length zero"):
        mm.MultimodalData.of({"s": [[], [[1.0], [2.0]]]})
