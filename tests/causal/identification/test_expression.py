"""Formulas: how they are simplified and written."""

from __future__ import annotations

from mmgraph.causal.identification.expression import (
    ONE,
    Probability,
    Product,
    Ratio,
    Sum,
    latex_name,
    product,
    ratio,
    summed,
    variables_of,
)

P = Probability


def test_a_chain_of_terms_is_one_term():
    chain = product([P(("a",)), P(("b",), ("a",)), P(("c",), ("b", "a"))])
    assert chain == P(("a", "b", "c"))
    unrelated = product([P(("a",), ("b",)), P(("c",), ("b",))])
    assert unrelated == Product((P(("a",), ("b",)), P(("c",), ("b",))))


def test_what_sums_to_one_is_left_out_and_what_does_not_depend_stands_outside():
    body = product([P(("z",)), P(("y",), ("x", "z")), P(("w",), ("y",))])
    kept = summed(["z", "w"], body)
    assert kept == Sum(("z",), Product((P(("z",)), P(("y",), ("x", "z")))))
    assert kept.free == {"x", "y"}
    assert summed(["y"], P(("y",), ("x",))) == ONE
    outside = summed(["z"], product([P(("x",), ("w",)), P(("y",), ("z",)), P(("z",), ("w",))]))
    assert outside.factors[0] == P(("x",), ("w",))


def test_ratios_cancel_and_become_conditional():
    assert ratio(P(("a", "b"), ("c",)), P(("b",), ("c",))) == P(("a",), ("b", "c"))
    common = P(("z",), ("w",))
    assert ratio(product([common, P(("y",), ("x",))]), common) == P(("y",), ("x",))
    assert ratio(common, ONE) == common
    total = Sum(("w",), common)
    assert ratio(P(("y",)), total) == Ratio(P(("y",)), total)
    assert product([total, Ratio(P(("y",)), total)]) == P(("y",))
    assert product([total, Ratio(P(("y",)), Product((total, total)))]) == Ratio(P(("y",)), total)


def test_a_summed_variable_whose_name_is_taken_gets_a_prime():
    inner = summed(["x"], product([P(("x",)), P(("y",), ("m", "x"))]))
    front_door = summed(["m"], product([P(("m",), ("x",)), inner]))
    assert str(front_door) == "Σ_{m} P(m | x) Σ_{x'} P(x') P(y | m, x')"
    assert front_door.latex() == (r"\sum_{m} P(m \mid x) \, \sum_{x'} P(x') \, P(y \mid m, x')")
    assert front_door.words() == (
        "the sum over all m of (the probability of m given x times the sum over all x' of "
        "(the probability of x' times the probability of y given m and x'))"
    )
    assert front_door.free == {"x", "y"}
    assert variables_of(front_door) == {"m", "x", "y"}


def test_latex_names_are_escaped():
    assert latex_name("x") == "x"
    assert latex_name("heart_rate'") == r"\mathrm{heart\_rate}'"
    assert str(ONE) == "1"
