"""BIF files that are wrong: told so at the right line, quickly, whatever they hold."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmgraph.formats.bif.bif import read_bif
from mmgraph.graph.errors import FormatError
from tests.formats import networks

A = "variable a { type discrete [2] { yes, no }; }\n"
B = "variable b { type discrete [3] { p, q, r }; }\n"
ROOT = "probability (a) { table 0.25, 0.75; }\n"
FILE = (
    f"network n {{ }}\n{A}{B}{ROOT}probability (b | a) {{\n(yes) 1, 0, 0;\n(no) 0, 0.5, 0.5;\n}}\n"
)


error_of = partial(networks.error_of, name="wrong.bif")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (A + A, 2, "'a' is declared twice"),
        (A + "stray", 2, "expected a block 'variable' or 'probability', found 'stray'"),
        ("network a { } network b { }", 1, "found 'network'"),
        ("variable { }", 1, "expected the variable's name, found '{'"),
        ("variable a { }", 1, "expected the type of 'a'"),
        ("variable a {\n\n type continuous; }", 3, "expected 'discrete'"),
        ("variable a { type discrete [3] {\n yes, no }; }", 1, "declares 3 states, but 2"),
        ("variable a { type discrete [x] { yes, no }; }", 1, "the number of states of 'a', found"),
        ("variable a { type discrete [2] { yes, yes }; }", 1, "state 'yes' is given twice"),
        ("variable a { type discrete [2] { yes, no } }", 1, "expected ';' after the states"),
        ("variable a { property family = normal; type discrete [2] { x, y }; }", 1, "family"),
        ("variable a { property state_type = int; type discrete [2] { x, y }; }", 1, "int()"),
        ("variable a { property state_type = odd; type discrete [2] { x, y }; }", 1, "'odd'"),
        (A + "\n/* no end", 3, "the comment that begins here never ends"),
        (A + '\n\nvariable "b { }', 4, "the quoted name that begins here never ends"),
        (A + "variable b { property x }", 2, "expected ';' after this property"),
        (A + "probability (a) { tables 0.5 0.5; }", 2, "expected a row '(…)', 'table', 'default'"),
        (A + "probability () { table 0.5 0.5; }", 2, "the name of a variable"),
        (A + "probability (a) { table 0.5 half; }", 2, "expected a number or ';' .* found 'half'"),
        (A + "probability (a) { table 0.5 nan; }", 2, "found 'nan'"),
        (A + "probability (a) { table 0.5 1_0; }", 2, "found '1_0'"),
        (
            A + "probability (a) { table 0.5; }",
            2,
            "expected 2 numbers in the table of 'a', found 1",
        ),
        (A + "probability (a) { table 0.5, 0.4; }", 2, "'a' sums to 0.9, not 1"),
        (A + "probability (a) { table 1.5, -0.5; }", 2, "holds -0.5, which is no probability"),
        (A + "probability (a) { table 1e999, 0; }", 2, "holds inf"),
        (A + ROOT + ROOT, 3, "the distribution of 'a' is given twice"),
        (A + "probability (aa) { table 1; }", 2, "found 'aa'; did you mean 'a'"),
        (A + "probability (a | a) { table 1; }", 2, "'a' stands twice in one distribution"),
        (A + "probability (a) { table 0.5 0.5; default 0.5 0.5; }", 2, "a table and another"),
        (FILE.replace("0.5, 0.5", "0.5"), 7, "3 numbers in the row (a=no) of 'b', found 2"),
        (FILE.replace("0.5, 0.5", "0.5, 0.4"), 7, "the row (a=no) of 'b' sums to 0.9"),
        (FILE.replace("(no)", "(yes)"), 7, "the row (a=yes) of 'b' is given twice"),
        (FILE.replace("(no) 0, 0.5, 0.5;", ""), 5, "the row (a=no) of 'b' is missing"),
        (FILE.replace("(no)", "(not)"), 7, "a state of 'a', found 'not'; did you mean 'no'"),
        (FILE.replace("(no)", "(no, p)"), 7, "expected 1 states in a row of 'b'"),
        (FILE.replace("(no)", "default 1 0 0; default"), 7, "the default of 'b' is given twice"),
        (FILE.replace("(no)", "table"), 7, "'b' has rows and a table"),
    ],
)
def test_the_message_gives_line_and_reason(tmp_path, content, line, message):
    found = error_of(tmp_path, content)
    assert f"line {line}:" in found
    parts = message.split(" .* ")
    assert re.search(" .* ".join(map(re.escape, parts)), found), found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "found none"),
        (A, "no conditional distribution for a"),
        (
            A
            + B
            + "probability (a | b) { default 0.5 0.5; } probability (b | a) { default 1 0 0; }",
            "cycle: ",
        ),
    ],
)
def test_the_network_as_a_whole_is_checked(tmp_path, content, message):
    assert message in error_of(tmp_path, content)


def test_every_prefix_is_refused(tmp_path):
    text = FILE.rstrip()
    for end in range(len(text)):
        error_of(tmp_path, text[:end])


def test_text_that_is_not_utf8(tmp_path):
    assert "line 2: expected UTF-8 text, found the byte 0xe9" in error_of(tmp_path, b"\n caf\xe9 ")


HUGE = 10**9


@pytest.mark.parametrize(
    "content",
    [
        f"variable a {{ type discrete [{HUGE}] {{ x, y }}; }}",
        f"variable a {{ type discrete [{'9' * 5000}] {{ x, y }}; }}",
        # forty parents and a default: 2**40 rows in a few bytes
        "".join(f"variable v{i} {{ type discrete [2] {{ x, y }}; }}" for i in range(40))
        + f"probability (v0 | {', '.join(f'v{i}' for i in range(1, 40))}) {{ default 0.5 0.5; }}",
        "".join(f"variable v{i} {{ type discrete [2] {{ x, y }}; }}" for i in range(40))
        + f"probability (v0 | {', '.join(f'v{i}' for i in range(1, 40))}) {{ (x) 0.5 0.5; }}",
        # more axes than an array can have
        "".join(f"variable v{i} {{ type discrete [1] {{ x }}; }}" for i in range(80))
        + f"probability (v0 | {', '.join(f'v{i}' for i in range(1, 80))}) {{ default 1; }}",
    ],
    ids=["states", "digits", "default", "rows", "axes"],
)
def test_claims_are_not_allocated(tmp_path, content):
    error_of(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        " " * 100_000,
        "variable a {" + " " * 100_000,
        "variable" + " " * 100_000 + "{",
        "/*" * 50_000,
        '"' * 100_001,
        '"\\' * 50_000,
        "probability (" * 10_000,
        "probability (a) {" * 10_000,
        A + "probability (a) { table " + "1" * 100_000 + "x; }",
        A + "probability (a) { table " + "0.5 " * 100_000 + "x; }",
        A + "probability (a) {" + "property x" * 10_000,
        A + "probability (a) {" + 'property "x;' * 10_000,
        "variable " + "x" * 999_999 + " { type discrete [1] { y }; } probability (x) { }",
        A + "probability (a) {" + "(yes) 1 0;" * 10_000 + "}",
        "variable a { type discrete [50001] {" + " ".join(map(str, range(50_000))) + " 0 }; }",
    ],
)
def test_hostile_text_is_refused_in_linear_time(tmp_path, content):
    error_of(tmp_path, content)


def survives(path: Path, content: bytes) -> None:
    """Assert that a file is read, or refused by name."""
    path.write_bytes(content)
    message = str(path)
    try:
        read_bif(path)
    except FormatError as error:
        message = str(error)
    assert str(path) in message


@settings(max_examples=200)
@given(content=st.binary(max_size=200))
@example(content=b"\x1f\x8b")
@example(content=b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")
def test_arbitrary_bytes(tmp_path_factory, content):
    survives(tmp_path_factory.mktemp("bytes") / "x.bif", content)


PIECES = st.sampled_from(
    [
        *' {}()[];,|"/*\\\n\x00\x85',
        *("//", "/*", "*/", "variable", "probability", "property", "type", "discrete"),
        *("table", "default", "yes", "no", "a", "b", "0.5", "1e400", "-1", "nan", "9" * 30),
    ]
)


@settings(max_examples=400)
@given(data=st.data())
def test_mutated_files(tmp_path_factory, data):
    text = FILE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(PIECES) + text[end:]
    survives(tmp_path_factory.mktemp("mutated") / "x.bif", text.encode())


@settings(max_examples=200)
@given(pieces=st.lists(PIECES, max_size=30))
def test_words_of_the_format_in_any_order(tmp_path_factory, pieces):
    content = (A + B + ROOT + "probability (b | a) {" + " ".join(pieces)).encode()
    survives(tmp_path_factory.mktemp("words") / "x.bif", content)
