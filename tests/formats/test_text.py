"""Numbers in text: only what spells a decimal number is one."""

from __future__ import annotations

import pytest

from mmgraph.formats.text import decimal_numbers, is_number


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        (" 1 .5\t-2e-3\n+4. ", [1, 0.5, -0.002, 4]),
        ("0.25\u2028\xa00.75", [0.25, 0.75]),  # blanks of other alphabets are blanks
        ("1e-400", [0]),
    ],
)
def test_decimal_numbers(text, numbers):
    found = decimal_numbers(text)
    assert found is not None
    assert found.tolist() == numbers


@pytest.mark.parametrize(
    "piece", ["x", "nan", "inf", "1e999", "1_0", "0x1", "١", "1,5", "--1", "1e"]
)
def test_what_is_no_decimal_number(piece):
    assert decimal_numbers(f"0.5 {piece} 1") is None
    assert not is_number(piece)
