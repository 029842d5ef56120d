"""Rules in files: read, or refused with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.sequences.events.rules import Combination, SequenceRule, Step, read_rules

STEP = '[[rule]]\nname = "a"\nstep = [{{{}}}]\n'


def test_a_file_of_rules_is_read(tmp_path: Path):
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[rule]]\nname = "fall"\n[[rule.step]]\nnot = ["lying"]\n[[rule.step]]\n'
        'actions = ["lying"]\nleast = 10\nmost = 60.0\ngap = 2\n'
        '[[rule]]\nname = "alarm"\nall = ["fall"]\nwithin = 30\n'
    )
    steps = (Step(("lying",), other_than=True), Step(("lying",), 10.0, 60.0, 2.0))
    rules = [SequenceRule("fall", steps), Combination("alarm", all_of=("fall",), within=30.0)]
    assert read_rules(path) == rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rule", "not a TOML file"),
        ("", "no .*rule"),
        ("[[rules]]\n", "no place for 'rules'"),
        ("[[rule]]\n", "rule 1 has no name"),
        (STEP.format('actions = ["x"]') * 2, "two rules are called 'a'"),
        (STEP.format("least = 1"), "step 1 has either 'actions' or 'not'"),
        (STEP.format('actions = ["x"], leest = 1'), "has 'leest'; did you mean 'least'"),
        (STEP.format('actions = ["x"], least = "1"'), "'least' is a number of seconds, not '1'"),
        (STEP.format('actions = ["x"], least = -1'), "number of seconds"),
        (STEP.format('actions = ["x"], least = 3, most = 2'), "no run"),
        (STEP.format('actions = ["x"], gap = 3'), "no 'gap' before it"),
        (STEP.format('actions = "x"'), "list of names"),
        ('[[rule]]\nname = "a"\nstep = 3\n', "'step' is a list of tables"),
        ('[[rule]]\nname = "a"\nwithin = 3\n', "needs steps, or rules"),
        ('[[rule]]\nname = "a"\nall = ["b"]\n', "names 'b', which is no rule above it"),
        ('[[rule]]\nname = "a"\nall_of = ["b"]\n', "has 'all_of'; did you mean 'all'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, text: str, message: str):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as said:
        read_rules(path)
    assert "rules.toml" in str(said.value)
