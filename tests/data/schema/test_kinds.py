"""The kinds of columns whose kind nobody names."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest

from mmgraph.data.schema.kinds import kind_of_column
from mmgraph.graph.errors import EvidenceError, LearningError

MANY = [str(i) for i in range(30)]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1.5, None, 2.0], "continuous"),
        (pd.array([1, None, 2], "Int64"), "continuous"),
        (MANY, "continuous"),
        ([*MANY, None], "continuous"),
        ([Decimal(i) for i in range(30)], "continuous"),
        (["0", "1", "2"] * 5, "categorical"),
        (["a", "b", None], "categorical"),
        ([True, False, None], "categorical"),
        ([True, False], "categorical"),
        (pd.Categorical(MANY), "categorical"),
        ([f"c{i}" for i in range(30)], "categorical"),
    ],
)
def test_numbers_measure_and_labels_do_not(cells, kind):
    assert kind_of_column("x", pd.Series(cells)) == kind


def test_texts_among_numbers_and_dates_are_named():
    with pytest.raises(
        EvidenceError,
        match=r"'x' of the data frame holds numbers, but for 'n/a' "
        r"\(row 3, 30, 31\)",
    ):
        kind_of_column("x", pd.Series([*MANY[:3], "n/a", *MANY[4:], "?", "n/a"]))
    with pytest.raises(EvidenceError, match=r"'x' of .* decimal commas \('0,5'\): read them"):
        kind_of_column("x", pd.Series([f"{i},5" for i in range(20)]))
    with pytest.raises(LearningError, match="'when' of the data frame holds dates"):
        kind_of_column("when", pd.Series(pd.date_range("2021-01-01", periods=3)))
