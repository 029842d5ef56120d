"""The words for columns that a file lacks."""

from __future__ import annotations

from mmgraph.cli.tables.lacking_columns import lacking_words
from mmgraph.data.schema.schema import Schema


def test_many_columns_are_counted():
    learned = Schema.of_modalities({"gene": [f"g{i}" for i in range(9)], "lab": ["crp"]})
    words = lacking_words("rows.csv", ["g8", "crp"], learned, ["gene", "lab"])
    assert words.endswith("missing now: 'g0', 'g1', 'g2', 'g3', 'g4', … (8)")
    words = lacking_words("rows.csv", ["id"], learned, ["gene", "lab"])
    assert words == "rows.csv: not in the file: modalities gene, lab"


def test_nothing_is_lacking():
    learned = Schema.of_modalities({"gene": ["g0"], "lab": ["crp"]})
    assert lacking_words("rows.csv", ["crp"], learned, ["lab"]) == ""
