"""What tests are worth before a decision: each alone, in sets, and one after the other."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import xlogy

from mmgraph.causal.modalities.information.tables import conditional_table, joint_table
from mmgraph.graph.arrays import float_array
from mmgraph.graph.errors import MmgraphError, UnknownVariableError, suggestion
from mmgraph.graph.memory_budget import check_required, default_memory_budget

_MOST_HISTORIES = 500_000
Outcomes = frozenset[tuple[str, int]]
"""The outcomes of the tests that are done."""


@dataclass(frozen=True)
class Policy:
    """What to do now, and then: a test, or an action where no test is worth its costs.

    Attributes
    ----------
    value : float
        The expected utility, less the costs of tests that are still to be done.
    test : str or None
        The test to do.
    action : int or None
        The action to take, where there is no test to do.
    after : dict of int to Policy
        How to go on by the outcome of the test; outcomes of probability zero are left out.
    """

    value: float
    test: str | None
    action: int | None
    after: dict[int, Policy] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ValueOfInformation:
    """What tests are worth before a decision, in units of utility, or in bits.

    Attributes
    ----------
    prior_value : float
        The expected utility of the best action without any test.
    action : int
        That action.
    perfect : float
        How much more could be expected if the state were known (EVPI): the most that any test is
        worth.
    of : dict of str to float
        How much more is expected after each test (EVSI), its costs not counted.
    net : dict of str to float
        The same, less the costs.
    best : str or None
        The test to do first, as ``policy`` says: by default that of largest net value (myopic),
        if one is positive.
    """

    prior_value: float
    action: int
    perfect: float
    of: dict[str, float]
    net: dict[str, float]
    best: str | None
    _decision: _Decision = field(repr=False)
    _tests: int | None = field(default=1, repr=False)

    def of_set(self, tests: Iterable[str]) -> float:
        """Return what several tests are worth when all are done, their costs not counted.

        Raises
        ------
        UnknownVariableError
            If there is no such test.
        """
        return self._decision.gain(tests)

    def look_ahead(self, tests: int | None = None) -> Policy:
        """Return the best way to do tests one after the other, each chosen by what came before.

        Exact, by dynamic programming over the outcomes of tests.

        Parameters
        ----------
        tests : int, optional
            How many may be done at most; by default all.
        """
        return self._decision.policy(tests)

    @property
    def policy(self) -> Policy:
        """The best way to do tests one after the other, as many as were asked for."""
        return self.look_ahead(self._tests)


def value_of_information(
    prior: object,
    utility: object,
    tests: Mapping[Any, object],
    costs: Mapping[str, float] | None = None,
    lookahead: int | None = 1,
) -> ValueOfInformation:
    """Return what tests are worth before an action is chosen.

    Parameters
    ----------
    prior : array (states,)
        The probabilities of the states.
    utility : array (actions, states), or None
        What each action yields in each state. None is the logarithmic score in bits: a test is
        worth the information that it gives about the state, and an action names a state.
    tests : mapping
        By name the table ``(states, outcomes)`` of a test's outcomes given each state. Tests are
        independent given the state; those that are not stand together under a tuple of names, with
        a table ``(states, outcomes, outcomes, ...)``.
    costs : mapping of str to float, optional
        Of tests, in units of utility; by default none.
    lookahead : int or None
        How many tests ``best`` and ``policy`` look ahead, None for all: two, of which either alone
        tells nothing, are worth their costs only so.

    Raises
    ------
    MmgraphError
        If prior or tables are no distributions, shapes do not fit (whose), a test is named twice,
        a utility or a cost is not finite or a cost negative, or there are too many outcomes to look
        so far ahead.
    UnknownVariableError
        If there is no test to a cost.

    References
    ----------
    Raiffa and Schlaifer (1961), "Applied Statistical Decision Theory", chapter 4.

    Examples
    --------
    >>> worth = mm.value_of_information([.7, .3], [[0, 0], [-1, 2]], {"scan": [[.9, .1], [.2, .8]]})
    >>> worth.of["scan"], worth.perfect  # doctest: +SKIP
    """
    _check_count("lookahead", lookahead, 1)
    decision = _Decision(prior, utility, tests, costs or {})
    of = {name: decision.gain([name]) for name in decision.costs}
    net = {name: value - decision.costs[name] for name, value in of.items()}
    best = max(net, key=net.__getitem__, default=None)
    if best is not None and net[best] <= 0:
        best = None
    if lookahead != 1:
        best = decision.policy(lookahead).test
    return ValueOfInformation(
        decision.value(decision.prior),
        decision.action(decision.prior),
        max(decision.value(np.diag(decision.prior)) - decision.value(decision.prior), 0.0),
        of,
        net,
        best,
        decision,
        lookahead,
    )


class _Decision:
    """A decision under uncertainty, and tests that may come before it."""

    def __init__(
        self,
        prior: object,
        utility: object,
        tests: Mapping[Any, object],
        costs: Mapping[str, float],
    ) -> None:
        self.prior = joint_table(prior, "the prior", 1)
        self.utility = None if utility is None else _checked_utility(utility, len(self.prior))
        self.blocks: list[tuple[tuple[str, ...], Float64[np.ndarray, "states *outcomes"]]] = []
        for key, outcomes in tests.items():
            names = key if isinstance(key, tuple) else (key,)
            if not all(isinstance(name, str) for name in names):
                raise MmgraphError(f"a test's name is a text, or several in a tuple, not {key!r}")
            what = f"the table of {', '.join(map(repr, names))}"
            table = conditional_table(outcomes, what, len(self.prior), len(names))
            self.blocks.append((names, table))
        listed = [name for names, _ in self.blocks for name in names]
        for name in listed:
            if listed.count(name) > 1:
                raise MmgraphError(f"the test '{name}' is given twice")
        self.costs = self._costs(costs, listed)
        self._known: dict[tuple[Outcomes, int], Policy] = {}

    def value(self, joint: Float64[np.ndarray, "states *outcomes"]) -> float:
        """Return the best expected utility, from probabilities of states and outcomes together."""
        if self.utility is None:
            total = joint.sum(0)
            return float((xlogy(joint, joint).sum() - xlogy(total, total).sum()) / np.log(2))
        return float((self.utility @ joint).max(0).sum())

    def action(self, weights: Float64[np.ndarray, " states"]) -> int:
        """Return the best action; of the logarithmic score the likeliest state."""
        expected = weights if self.utility is None else self.utility @ weights
        return int(expected.argmax())

    def _costs(self, costs: Mapping[str, float], listed: list[str]) -> dict[str, float]:
        self._check(costs, listed)
        for name, cost in costs.items():
            if not isinstance(cost, numbers.Real) or not 0 <= cost < np.inf:
                raise MmgraphError(f"the cost of '{name}' is {cost!r}, not a number from zero up")
        return {name: float(costs.get(name, 0.0)) for name in listed}

    @staticmethod
    def _check(names: Iterable[str], tests: Iterable[str]) -> None:
        tests = list(tests)
        for name in names:
            if name not in tests:
                raise UnknownVariableError(f"there is no test '{name}'{suggestion(name, tests)}")

    def gain(self, tests: Iterable[str]) -> float:
        """Return how much more is expected after some tests; never negative."""
        chosen = [tests] if isinstance(tests, str) else list(tests)
        self._check(chosen, self.costs)
        sizes = [self._outcomes(name) for name in chosen]
        check_required(
            f"the outcomes of {len(chosen)} tests with {len(self.prior)} states",
            32 * len(self.prior) * prod(sizes),
            default_memory_budget(),
            "Ask for fewer tests at once",
        )
        joint = self.prior[:, None]  # of states and the outcomes of all tests
        for names, table in self.blocks:
            others = tuple(1 + i for i, name in enumerate(names) if name not in chosen)
            outcomes = table.sum(others).reshape(len(table), -1)
            joint = (joint[:, :, None] * outcomes[:, None, :]).reshape(len(joint), -1)
        return max(self.value(joint) - self.value(self.prior), 0.0)

    def policy(self, tests: int | None) -> Policy:
        """Return the best policy of so many tests at most."""
        most = len(self.costs) if tests is None else tests
        _check_count("the number of tests", most, 0)
        counts = np.ones(1)  # of histories, by their length
        for name in self.costs:
            counts = np.convolve(counts, [1, self._outcomes(name)])
        if (histories := counts[: most + 1].sum()) > _MOST_HISTORIES:
            raise MmgraphError(
                f"{histories:,.0f} outcomes of up to {most} tests are too many to look ahead; "
                "look fewer tests ahead"
            )
        return self._best(frozenset(), most)

    def _best(self, done: Outcomes, left: int) -> Policy:
        """The best policy after some outcomes, weighted by how probable these are."""
        if (done, left) in self._known:
            return self._known[done, left]
        weights = self._weights(done)
        best = Policy(self.value(weights) / float(weights.sum()), None, self.action(weights))
        rest = [name for name in self.costs if name not in dict(done)] if left else []
        for name in rest:
            after = {
                outcome: self._best(done | {(name, outcome)}, left - 1)
                for outcome in range(self._outcomes(name))
                if self._weights(done | {(name, outcome)}).sum() > 0
            }
            value = sum(
                self._weights(done | {(name, outcome)}).sum() * further.value
                for outcome, further in after.items()
            )
            value = float(value / weights.sum()) - self.costs[name]
            if value > best.value + 1e-12 * abs(best.value):
                best = Policy(value, name, None, after)
        self._known[done, left] = best
        return best

    def _outcomes(self, test: str) -> int:
        names, table = next(block for block in self.blocks if test in block[0])
        return table.shape[1 + names.index(test)]

    def _weights(self, done: Outcomes) -> Float64[np.ndarray, " states"]:
        """The probability of each state together with the outcomes."""
        outcome = dict(done)
        weights = self.prior
        for names, table in self.blocks:
            places = tuple(outcome.get(name, slice(None)) for name in names)
            part = table[(slice(None), *places)]
            weights = weights * part.reshape(len(part), -1).sum(1)
        return weights


def _check_count(what: str, count: object, least: int) -> None:
    if count is not None and (not isinstance(count, numbers.Integral) or count < least):
        raise MmgraphError(f"{what} is a whole number, at least {least}, not {count!r}")


def _checked_utility(utility: object, states: int) -> Float64[np.ndarray, "actions states"]:
    table = float_array(utility, "the utility", MmgraphError)
    if table.ndim != 2 or table.shape[1] != states or not len(table):
        raise MmgraphError(
            f"the utility has an axis of actions and one of {states} states, not the shape "
            f"{table.shape}"
        )
    if not np.isfinite(table).all():
        raise MmgraphError("the utility is not finite everywhere")
    return table
