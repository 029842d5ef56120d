import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.graph.errors import FormatError
from mmgraph.sequences.commands.grammar import Grammar

SENTENCES = [words for n in range(1, 5) for words in itertools.product("ab", repeat=n)]


def forms():
    """A form, and the regular expression that is its referee."""
    word = st.sampled_from(["a", "b"]).map(lambda w: (w, w))

    def larger(parts):
        two = st.tuples(parts, parts)
        return st.one_of(
            two.map(lambda p: (f"{p[0][0]} {p[1][0]}", p[0][1] + p[1][1])),
            two.map(lambda p: (f"({p[0][0]} | {p[1][0]})", f"(?:{p[0][1]}|{p[1][1]})")),
            parts.map(lambda p: (f"[{p[0]}]", f"(?:{p[1]})?")),
            parts.map(lambda p: (f"({p[0]})+", f"(?:{p[1]})+")),
            parts.map(lambda p: (f"({p[0]})*", f"(?:{p[1]})*")),
        )

    return st.recursive(word, larger, max_leaves=6)


@given(forms())
def test_accepts_what_the_regular_expression_matches(form):
    text, pattern = form
    if re.fullmatch(pattern, ""):
        with pytest.raises(FormatError, match="no words"):
            Grammar(text)
        return
    grammar = Grammar(text)
    for words in SENTENCES:
        assert grammar.accepts(words) == bool(re.fullmatch(pattern, "".join(words)))
    starts = [(arc.source, arc.word) for arc in grammar.network.arcs]
    assert len(set(starts)) == len(starts)  # deterministic


def test_rules_are_named():
    grammar = Grammar({"command": ["turn the <device> (on | off)"], "device": ["Lamp", "big fan"]})
    assert grammar.accepts(["turn", "the", "big", "fan", "off"])
    assert not grammar.accepts(["turn", "the", "fan", "off"])
    assert grammar.words == ("big", "fan", "lamp", "off", "on", "the", "turn")


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("play (a", "'play \\(a': a '\\(' is not closed"),
        ("a ]", "a ']' too many"),
        ("a | ", "a part has no words"),
        ("+", "nothing stands before '\\+'"),
        ("a <b", "cannot be read from '<b'"),
        ({"command": ["play <piec>"], "piece": ["song"]}, "no rule 'piec'; did you mean 'piece'"),
        ({"command": ["a <command>"]}, "part of itself"),
        ({"commands": ["a"]}, "no rule 'command'; did you mean 'commands'"),
        ([3], "expected a form of the grammar, found 3"),
    ],
)
def test_what_is_no_grammar_is_named(commands, message):
    with pytest.raises(FormatError, match=message):
        Grammar(commands)
