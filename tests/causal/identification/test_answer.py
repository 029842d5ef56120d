"""The answer of identify: what it says, and questions that have no meaning."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import CausalError, UnknownVariableError


def test_an_identifiable_effect_says_its_formula():
    answer = mm.CausalModel("zxy", [("z", "x"), ("z", "y"), ("x", "y")]).identify("y", "x")
    assert str(answer) == "P(y | do(x)) = Σ_{z} P(z) P(y | z, x)"
    assert answer.latex() == (r"P(y \mid \mathrm{do}(x)) = \sum_{z} P(z) \, P(y \mid z, x)")
    assert answer.words().startswith("the probability of y when x is set is the sum over all z")
    given = mm.CausalModel("xyz", [("x", "y"), ("z", "y")]).identify("y", "x", "z")
    assert str(given) == "P(y | do(x), z) = P(y | x, z)"
    assert given.words().startswith("the probability of y when x is set given z is")
    blank = mm.CausalModel(["a b", "y"], [("a b", "y")]).identify("y", "a b")
    assert r"\mathrm{a\ b}" in blank.latex()


@pytest.mark.slow  # two processes that import everything
def test_the_hedge_is_the_same_in_every_run():
    code = (
        "from mmgraph.causal.model import CausalModel as M;"
        "n = [f'v{i}' for i in range(7)];"
        "m = M(n, [(a, 'v6') for a in n[:6]], [(a, b) for a in n for b in n if a < b]);"
        "h = m.identify('v6', n[:3]).hedge; print(h.forest, h.inner, h)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "12"
    ]
    assert runs[0] == runs[1]


def test_what_is_not_identifiable_says_why_and_is_not_evaluated():
    answer = mm.CausalModel("xy", [("x", "y")], [("x", "y")]).identify("y", "x")
    assert not answer.identifiable
    assert str(answer) == "P(y | do(x)): not identifiable"
    assert "not identifiable" in answer.latex()
    assert "hidden common causes join x and y" in answer.words()
    assert answer.hedge.roots == ("y",)
    assert repr(answer) == str(answer)
    assert repr(answer.hedge) == answer.hedge.words()
    assert repr(answer.hedge.forest) == "CausalGraph(x -> y, x <-> y)"
    with pytest.raises(CausalError, match="hidden common causes join x and y"):
        answer.evaluate(np.full((2, 2), 0.25))


def test_questions_without_a_meaning_are_refused():
    model = mm.CausalModel("xyz", [("x", "y"), ("y", "z")])
    with pytest.raises(CausalError, match="the effect of 'x' on itself"):
        model.identify("x", "x")
    with pytest.raises(CausalError, match="'x' stands in do and in given"):
        model.identify("y", "x", "x")
    with pytest.raises(CausalError, match="'y' stands in outcome and in given"):
        model.identify("y", "x", "y")
    with pytest.raises(CausalError, match="do names 'x' twice"):
        model.identify("y", ["x", "x"])
    with pytest.raises(CausalError, match="no outcome"):
        model.identify([], "x")
    with pytest.raises(UnknownVariableError, match=r"given names 'Z'.*did you mean 'z'"):
        model.identify("y", "x", "Z")
    latent = mm.CausalModel.from_dagitty("dag { x -> y u -> x u -> y u [latent] }")
    with pytest.raises(CausalError, match=r"given names 'u', which is latent"):
        latent.identify("y", "x", ["u"])
