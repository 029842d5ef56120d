"""Dates as seconds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.data.dates import is_date, seconds_of


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))
def test_they_are_those_of_the_moment(moment):
    expected = moment.replace(tzinfo=UTC).timestamp()
    for separator in "T ":
        assert seconds_of(moment.isoformat(separator)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        (" 1970-01-01 00:00:01.123456789 ", 1.123456),
    ],
)
def test_days_zones_and_nanoseconds(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["1970", "2021-13-01", "2021-01-01x", "1.5", "", "01.02.2021"])
def test_what_is_no_date(text):
    assert not is_date(text)
