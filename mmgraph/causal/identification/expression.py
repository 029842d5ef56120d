"""Formulas in the observational joint: conditional probabilities, products, sums and ratios.

Expressions are immutable, and equal where they are written alike. ``product``, ``summed`` and
``ratio`` make simplified ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from mmgraph.graph.variable import unused_name

Names = Mapping[str, str]
"""What variables are called: a summed one gets a prime where its name is taken."""


class Expression:
    """The base of formulas; ``str`` gives plain text, ``latex`` and ``words`` the other ways."""

    free: frozenset[str]
    """The variables whose values must be known, that is, those no sum runs over."""

    def __str__(self) -> str:
        return _written(self, {n: n for n in self.free}, _PLAIN)

    __repr__ = __str__

    def latex(self) -> str:
        """Return the formula in LaTeX, for math mode."""
        return _written(self, {n: n for n in self.free}, _LATEX)

    def words(self) -> str:
        """Return the formula in plain words."""
        return _written(self, {n: n for n in self.free}, _WORDS)


@dataclass(frozen=True, repr=False)
class Probability(Expression):
    """P(outcomes | given) of the observational joint."""

    outcomes: tuple[str, ...]
    given: tuple[str, ...] = ()

    @cached_property
    def free(self) -> frozenset[str]:  # type: ignore[override]
        """All variables of the term."""
        return frozenset((*self.outcomes, *self.given))


@dataclass(frozen=True, repr=False)
class Product(Expression):
    """The product of factors; one, if there is none."""

    factors: tuple[Expression, ...]

    @cached_property
    def free(self) -> frozenset[str]:  # type: ignore[override]
        """The free variables of all factors."""
        return frozenset().union(*(f.free for f in self.factors))


@dataclass(frozen=True, repr=False)
class Sum(Expression):
    """The sum of a formula over all states of some variables."""

    over: tuple[str, ...]
    body: Expression

    @cached_property
    def free(self) -> frozenset[str]:  # type: ignore[override]
        """The free variables of the body that are not summed over."""
        return self.body.free.difference(self.over)


@dataclass(frozen=True)
class Average(Sum):
    """The mean of a formula that has one value at all states of some variables.

    ``body`` is it times the probability of these states; where it needs strata that are empty at
    some of them, the mean is that of the others.
    """

    formula: Expression

    @classmethod
    def of(cls, formula: Expression, over: tuple[str, ...]) -> Average:
        """Return the mean over some free variables."""
        return cls(over, product((Probability(over), formula)), formula)


@dataclass(frozen=True, repr=False)
class Ratio(Expression):
    """A quotient."""

    numerator: Expression
    denominator: Expression

    @cached_property
    def free(self) -> frozenset[str]:  # type: ignore[override]
        """The free variables of numerator and denominator."""
        return self.numerator.free | self.denominator.free


def variables_of(formula: Expression) -> set[str]:
    """Return all variables of a formula, those that sums run over too."""
    if isinstance(formula, Sum):
        return variables_of(formula.body).union(formula.over)
    if isinstance(formula, Product | Ratio):
        parts = (
            formula.factors
            if isinstance(formula, Product)
            else (formula.numerator, formula.denominator)
        )
        return set().union(*map(variables_of, parts))
    return set(formula.free)


ONE = Product(())


def _factors(expression: Expression) -> tuple[Expression, ...]:
    return expression.factors if isinstance(expression, Product) else (expression,)


def product(factors: Iterable[Expression]) -> Expression:
    """Return a product without nested ones, P(a | b, c) P(b | c) written as P(a, b | c)."""
    flat = [f for factor in factors for f in _factors(factor)]
    while (pair := _chained(flat)) is not None:
        first, second = pair
        flat[flat.index(second)] = Probability(second.outcomes + first.outcomes, second.given)
        flat.remove(first)
    for quotient in [f for f in flat if isinstance(f, Ratio)]:
        flat = _cancelled(flat, quotient)
    flat.sort(key=lambda f: isinstance(f, Sum))  # so that few need brackets
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _cancelled(factors: list[Expression], quotient: Ratio) -> list[Expression]:
    """The factors with a quotient among them, without those that its denominator holds too."""
    below = list(_factors(quotient.denominator))
    others = [f for f in factors if f is not quotient]
    for factor in list(below):
        if factor in others:
            others.remove(factor)
            below.remove(factor)
    return [*others, *_factors(ratio(quotient.numerator, product(below)))]


def _chained(factors: Collection[Expression]) -> tuple[Probability, Probability] | None:
    terms = {t.free: t for t in factors if isinstance(t, Probability)}
    for term in factors:
        if isinstance(term, Probability) and term.given:
            other = terms.get(frozenset(term.given))
            if other is not None:
                return term, other
    return None


def summed(over: Collection[str], body: Expression) -> Expression:
    """Return the sum over some free variables of a formula; what sums to one is left out."""
    factors = list(_factors(body))
    rest = [v for v in over if v in body.free]
    if not rest:
        return body
    while True:
        place = next(
            ((v, i) for v in rest if (i := _only_outcome(v, factors)) is not None),
            None,
        )
        if place is None:
            break
        variable, index = place
        term = factors[index]
        assert isinstance(term, Probability)
        left = tuple(n for n in term.outcomes if n != variable)
        factors[index : index + 1] = [Probability(left, term.given)] if left else []
        rest.remove(variable)
    inside = [f for f in factors if f.free.intersection(rest)]
    outside = [f for f in factors if not f.free.intersection(rest)]
    if inside:
        outside.append(Sum(tuple(rest), product(inside)))
    return product(outside)


def _only_outcome(variable: str, factors: list[Expression]) -> int | None:
    """The place of the only factor with a variable, if that is one of its outcomes."""
    places = [i for i, f in enumerate(factors) if variable in f.free]
    if len(places) != 1:
        return None
    term = factors[places[0]]
    return places[0] if isinstance(term, Probability) and variable in term.outcomes else None


def ratio(numerator: Expression, denominator: Expression) -> Expression:
    """Return a quotient without common factors; P(a, b | c) / P(b | c) is P(a | b, c)."""
    above, below = list(_factors(numerator)), list(_factors(denominator))
    for factor in list(below):
        if factor in above:
            above.remove(factor)
            below.remove(factor)
    for term in list(above):
        for other in below:
            conditional = _conditional(term, other)
            if conditional is not None:
                above[above.index(term)] = conditional
                below.remove(other)
                break
    return Ratio(product(above), product(below)) if below else product(above)


def _conditional(term: Expression, other: Expression) -> Probability | None:
    if not (isinstance(term, Probability) and isinstance(other, Probability)):
        return None
    if set(term.given) != set(other.given) or not set(other.outcomes) < set(term.outcomes):
        return None
    left = tuple(n for n in term.outcomes if n not in other.outcomes)
    return Probability(left, other.outcomes + other.given)


@dataclass(frozen=True)
class _Style:
    """How each kind of formula is written."""

    name: Callable[[str], str]
    term: Callable[[str, str], str]
    total: Callable[[str, str], str]
    quotient: Callable[[str, str], str]
    times: str
    between: str = ", "


def latex_name(name: str) -> str:
    r"""Return a variable's name for LaTeX: upright if longer than a letter, primes kept."""
    bare = name.rstrip("'")
    escaped = re.sub(r"([#$%&_{} ])", r"\\\1", re.sub(r"[\\^~]", "-", bare))
    return (escaped if len(bare) == 1 else rf"\mathrm{{{escaped}}}") + name[len(bare) :]


_PLAIN = _Style(
    name=str,
    term=lambda a, b: f"P({a} | {b})" if b else f"P({a})",
    total=lambda over, body: f"Σ_{{{over}}} {body}",
    quotient=lambda a, b: f"[{a}] / [{b}]",
    times=" ",
)
_LATEX = _Style(
    name=latex_name,
    term=lambda a, b: rf"P({a} \mid {b})" if b else f"P({a})",
    total=lambda over, body: rf"\sum_{{{over}}} {body}",
    quotient=lambda a, b: rf"\frac{{{a}}}{{{b}}}",
    times=r" \, ",
)
_WORDS = _Style(
    name=str,
    term=lambda a, b: f"the probability of {a} given {b}" if b else f"the probability of {a}",
    total=lambda over, body: f"the sum over all {over} of ({body})",
    quotient=lambda a, b: f"the quotient of ({a}) by ({b})",
    times=" times ",
    between=" and ",
)


def _written(expression: Expression, names: Names, style: _Style) -> str:
    """The formula; ``names`` says what the variables are called where it stands."""

    def listed(variables: Iterable[str]) -> str:
        return style.between.join(style.name(names[v]) for v in variables)

    if isinstance(expression, Probability):
        return style.term(listed(expression.outcomes), listed(expression.given))
    if isinstance(expression, Product):
        pieces = [
            f"({_written(f, names, style)})"
            if isinstance(f, Sum) and f is not expression.factors[-1]
            else _written(f, names, style)
            for f in expression.factors
        ]
        return style.times.join(pieces) or "1"
    if isinstance(expression, Sum):
        names = dict(names)
        taken = set(names.values())
        for variable in expression.over:
            names[variable] = unused_name(variable, taken)
            taken.add(names[variable])
        return style.total(listed(expression.over), _written(expression.body, names, style))
    assert isinstance(expression, Ratio)
    return style.quotient(
        _written(expression.numerator, names, style), _written(expression.denominator, names, style)
    )
