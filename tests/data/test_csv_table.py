"""Text files as the world writes them: what is a row, what is missing, what is a number."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.encoding import encode
from mmgraph.data.inferred_states import states_in
from mmgraph.graph.errors import EvidenceError, FormatError, UnknownStateError


def table(tmp_path, text: str | bytes, name: str = "rows.csv", **reading):
    path = tmp_path / name
    content = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return mm.open_table(path, **reading)


def cells(source) -> dict[str, list[str]]:
    chunks = list(source.chunks(2))
    return {name: [cell for chunk in chunks for cell in chunk[name]] for name in source.columns}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_line_endings_and_byte_order_marks(tmp_path, ending, mark, name):
    text = mark + ending.join(["a,b", "1,x", '"2 ""q"", r",y', ",", ""])
    assert cells(table(tmp_path, text, name)) == {"a": ["1", '2 "q", r', ""], "b": ["x", "y", ""]}


def test_a_blank_line_is_a_row_of_one_column_and_none_of_two(tmp_path):
    assert cells(table(tmp_path, "a\nx\n\ny\n")) == {"a": ["x", "", "y"]}
    assert cells(table(tmp_path, "a,b\nx,1\n\ny,2\n")) == {"a": ["x", "y"], "b": ["1", "2"]}
    variables = {"a": mm.Variable("a", ("x", "y"))}
    assert encode(table(tmp_path, "a\nx\n\ny\n"), variables).column("a").tolist() == [0, -1, 1]


def test_tabs_and_other_separators(tmp_path):
    assert cells(table(tmp_path, "a\tb\n1,5\t2\n", "rows.tsv")) == {"a": ["1,5"], "b": ["2"]}
    assert cells(table(tmp_path, "a;b\n1,5;2\n", separator=";")) == {"a": ["1,5"], "b": ["2"]}
    assert cells(table(tmp_path, "a;b\n1;2\n", separator=",")) == {"a;b": ["1;2"]}
    with pytest.raises(FormatError, match=r"is the separator ';'\? say separator=';'"):
        table(tmp_path, "a;b\n1;2\n")


def test_decimal_commas(tmp_path):
    text = "a;b;c;d\n1,5; -2,25e-3 ;1.234,5;[1,5]\nx,y;,5;7;1,2,3\n"
    found = cells(table(tmp_path, text, separator=";", decimal=","))
    assert found["a"] == ["1.5", "x,y"]
    assert found["b"] == [" -2.25e-3 ", ",5"]
    assert found["c"] == ["1.234,5", "7"]
    assert found["d"] == ["[1,5]", "1,2,3"]
    assert cells(table(tmp_path, text, separator=";", decimal="."))["a"] == ["1,5", "x,y"]
    with pytest.raises(FormatError, match=r"a decimal mark is ',' or '\.', not ';'"):
        table(tmp_path, text, separator="|", decimal=";")
    with pytest.raises(FormatError, match="',' cannot be the separator and the decimal mark"):
        table(tmp_path, "a,b\n1,2\n", decimal=",")
    number = {"a": mm.Variable("a", family="gaussian")}
    message = r"line 2: 'a' is no number: '1,5' \(with a decimal comma: say decimal=','"
    with pytest.raises(EvidenceError, match=message):
        encode(table(tmp_path, "a;b\n1,5;2\n", separator=";").select(["a"]), number)


def test_encodings(tmp_path):
    for encoding in ("latin-1", "cp1252", "utf-16"):
        found = table(tmp_path, "é\nü\n".encode(encoding), encoding=encoding)
        assert cells(found) == {"é": ["ü"]}
    with pytest.raises(FormatError, match=r"expected text in utf-8, found the byte 0xe9; say enc"):
        table(tmp_path, "é\nü\n".encode("latin-1"))
    assert cells(table(tmp_path, "\ufeffa\n1\n", encoding="utf-8")) == {"a": ["1"]}
    with pytest.raises(FormatError, match="expected text in utf-16"):
        table(tmp_path, "a\n1\n", encoding="utf-16")
    with pytest.raises(FormatError, match="no encoding 'latin-99'"):
        table(tmp_path, "a\n1\n", encoding="latin-99")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1\n", r"^\S*rows\.csv, line 3: expected 2 cells, as the header has, found 1"),
        ("a,b\n1,2\n1,2,3\n", "line 3: expected 2 cells, as the header has, found 3"),
        ("a,a\n1,2\n", "'a' stands there twice"),
        ("", "expected a header"),
        ('a\n"x\n', "near line"),
    ],
)
def test_damaged_files_are_named(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        cells(table(tmp_path, text))


def test_a_file_that_was_cut_is_named(tmp_path):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"x\n" * 9999)[:40])
    with pytest.raises(FormatError, match="cannot be read"):
        cells(mm.open_table(path))


def test_states_that_look_like_nothing_are_states(tmp_path):
    net = mm.read("insurance")
    labels = net.variables["Accident"].labels
    assert "None" in labels
    drawn = mm.sample(net, 500, generator=torch.Generator().manual_seed(0))
    drawn.to_frame().to_csv(tmp_path / "rows.csv", index=False)
    rows = encode(tmp_path / "rows.csv", net.variables)
    assert rows.column("Accident").tolist() == drawn.codes["Accident"].tolist()
    states = states_in(mm.open_table(tmp_path / "rows.csv"), ["Accident"])["Accident"]
    assert set(states) == set(drawn["Accident"])
    some = {"a": mm.Variable("a", ("None", "NA", "null", "nan", "x"))}
    text = "a\nNone\nNA\nnull\nnan\n\nx\n"
    assert encode(table(tmp_path, text), some).column("a").tolist() == [0, 1, 2, 3, -1, 4]
    more = table(tmp_path, text, missing=["NA", "nan"])
    assert encode(more, some).column("a").tolist() == [0, -1, 2, -1, -1, 4]
    with pytest.raises(UnknownStateError, match=r"line 3: .*missing=\['NA'\]"):
        encode(table(tmp_path, "a\nx\nNA\n"), {"a": mm.Variable("a", ("x", "y"))})


def test_text_is_a_number_only_if_it_spells_back(tmp_path):
    text = "zip,code,power,plain,real\n02139,1_0,1E2,10,1.0\n10001,2_0,2E2,9,0.0\n"
    source = table(tmp_path, text)
    assert states_in(source, source.columns) == {
        "zip": ("02139", "10001"),
        "code": ("1_0", "2_0"),
        "power": ("1E2", "2E2"),
        "plain": (9, 10),
        "real": (0, 1),
    }
    net = mm.BayesianNetwork.from_data(source, [("zip", "plain")])
    found = net.predict_proba(table(tmp_path, "zip\n02139\n10001\n"), "plain")
    np.testing.assert_array_equal(found, [[0, 1], [1, 0]])
    with pytest.raises(UnknownStateError, match="'2139'"):
        net.predict_proba(table(tmp_path, "zip\n2139\n"), "plain")


def test_real_numbers_in_text(tmp_path):
    x = {"x": mm.Variable("x", family="gaussian")}
    rows = encode(table(tmp_path, "x\n1.50\n-1E2\n\n .5\nnan\n", missing=[]), x)
    np.testing.assert_array_equal(rows.values["x"], [1.5, -100, np.nan, 0.5, np.nan])
    rows = encode(table(tmp_path, "x\n-9\n-9.0\nNA\n3\n", missing=["NA", -9]), x)
    np.testing.assert_array_equal(rows.values["x"], [np.nan, np.nan, np.nan, 3])
    for wrong in ("1_0", "1,5", "٣", "NA", "high"):
        text = f'x\n1\n"{wrong}"\n'
        with pytest.raises(EvidenceError, match=r"line 3: 'x' is no number"):
            encode(table(tmp_path, text), x)
    with pytest.raises(EvidenceError, match="line 2: 'x' is infinite"):
        encode(table(tmp_path, "x\n1e999\n"), x)


def test_a_file_reads_like_the_frame_that_it_was_written_from(tmp_path):
    frame = pd.DataFrame(
        {"a": ["x", None, "y"], "b": [1, 2, 1], "c": [True, False, True], "d": [0.5, None, 1.5]}
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    variables = {
        "a": mm.Variable("a", ("x", "y")),
        "b": mm.Variable("b", (2, 1)),
        "c": mm.Variable("c", ("TRUE", "FALSE")),
        "d": mm.Variable("d", family="gaussian"),
    }
    ours, theirs = encode(tmp_path / "rows.csv", variables), encode(frame, variables)
    assert ours.codes.tolist() == theirs.codes.tolist() == [[0, 1, 0], [-1, 0, 1], [1, 1, 0]]
    torch.testing.assert_close(ours.values["d"], theirs.values["d"], equal_nan=True)
