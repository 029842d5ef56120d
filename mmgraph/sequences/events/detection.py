"""Events in recognised actions: how probable each is at each step, exactly, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import EvidenceError
from mmgraph.sequences.events.actions import Actions, coupling
from mmgraph.sequences.events.automata import Automaton, automata
from mmgraph.sequences.events.rules import Rule

_NEGLIGIBLE = 1e-12
"""A state of less probability is dropped."""


@dataclass(frozen=True)
class Event:
    """An event that was noticed.

    Attributes
    ----------
    rule : str
    begin, noticed, end : float
        In seconds: when it began, on average over the paths in which it is there; when its
        probability reached the threshold; the last step before it fell below half of that.
    probability : float
        The highest at any step.
    """

    rule: str
    begin: float
    noticed: float
    end: float
    probability: float


@dataclass(frozen=True, eq=False)
class EventProbabilities:
    """How probable an event is over time.

    Attributes
    ----------
    rule : str
    times : ndarray, shape (steps,)
        In seconds.
    probability : ndarray, shape (steps,)
        That the rule holds at the step.
    begin : ndarray, shape (steps,)
        When it has begun then, on average; NaN where it is impossible.
    hours : float
        How long all steps take.
    """

    rule: str
    times: Float64[np.ndarray, " steps"]
    probability: Float64[np.ndarray, " steps"]
    begin: Float64[np.ndarray, " steps"]
    hours: float

    def events(self, threshold: float = 0.5) -> list[Event]:
        """Return the events whose probability reaches a threshold.

        Raises
        ------
        EvidenceError
            If the threshold is not above 0 and at most 1.
        """
        if not 0 < threshold <= 1:
            raise EvidenceError(f"a threshold lies above 0 and is at most 1, unlike {threshold}")
        found: list[Event] = []
        first = -1
        high = self.probability >= threshold - 1e-9
        low = self.probability < threshold / 2
        for t in range(len(high) + 1):
            if first >= 0 and (t == len(high) or low[t]):
                most = float(self.probability[first:t].max())
                begin, noticed, end = self.begin[first], self.times[first], self.times[t - 1]
                found.append(Event(self.rule, float(begin), float(noticed), float(end), most))
                first = -1
            elif first < 0 and t < len(high) and high[t]:
                first = t
        return found


class _RuleFilter:
    """The distribution over the states of an automaton, each of which knows the last action."""

    def __init__(self, automaton: Automaton, actions: int) -> None:
        self._automaton, self._actions = automaton, actions
        self._number = {(automaton.start, -1): 0}
        self._states = [(automaton.start, -1)]
        self._next = np.full((1, actions), -1)
        self._holds, self._open = [False], [False]
        self._mass: np.ndarray = np.ones(1)
        self._begin: np.ndarray = np.zeros(1)

    def step(self, time: float, transition: Float64[np.ndarray, "actions actions"]) -> Any:
        """Go on by a step; return the probability that the rule holds, and when it began."""
        live = np.flatnonzero(self._mass > _NEGLIGIBLE)
        last = np.array([self._states[i][1] for i in live])
        flow = self._mass[live, None] * transition[last]
        used = flow > _NEGLIGIBLE
        for row, action in zip(*np.nonzero(used & (self._next[live] < 0)), strict=True):
            self._next[live[row], action] = self._reach(self._states[live[row]][0], int(action))
        rows, _ = np.nonzero(used)
        reached, mass = self._next[live][used], flow[used]
        is_open, holds = np.array(self._open), np.array(self._holds)
        went_on = is_open[live[rows]] & (is_open | holds)[reached]
        begin = np.where(went_on, self._begin[live[rows]], time)
        size = len(self._states)
        self._mass = np.bincount(reached, mass, size)
        sums = np.bincount(reached, mass * begin, size)
        self._begin = np.divide(sums, self._mass, out=np.zeros(size), where=self._mass > 0)
        self._mass = self._mass / self._mass.sum()
        holding = np.where(holds, self._mass, 0.0)
        total = float(holding.sum())
        return total, float(holding @ self._begin / total) if total > 0 else np.nan

    def _reach(self, state: Any, action: int) -> int:
        """Return the number of the state after an action, a new one where it is met first."""
        reached = (self._automaton.after(state, action), action)
        if reached not in self._number:
            self._number[reached] = len(self._states)
            self._states.append(reached)
            self._holds.append(self._automaton.holds(reached[0]))
            self._open.append(self._automaton.is_open(reached[0]))
            if len(self._states) > len(self._next):
                more = np.full((len(self._next), self._actions), -1)
                self._next = np.concatenate([self._next, more])
        return self._number[reached]


class EventDetector:
    """Reads recognised actions step by step, and tells how probable each rule is by now.

    Parameters
    ----------
    rules : sequence of SequenceRule or Combination
    names : sequence of str
        The actions, in the order of their probabilities.
    seconds : float
        From each step to the next.

    Raises
    ------
    FormatError
        If a rule names an unknown action (the nearest one).
    """

    def __init__(self, rules: Sequence[Rule], names: Sequence[str], seconds: float) -> None:
        made = automata(rules, names, seconds)
        self._filters = {name: _RuleFilter(one, len(names)) for name, one in made.items()}
        self._last: np.ndarray | None = None

    def step(
        self,
        time: float,
        probabilities: Float64[np.ndarray, " actions"],
        transition: Float64[np.ndarray, "actions actions"] | None = None,
    ) -> dict[str, tuple[float, float]]:
        """Return the probability of each rule, and when it began.

        Parameters
        ----------
        time : float
            In seconds.
        probabilities : ndarray, shape (actions,)
        transition : ndarray, shape (actions, actions), optional
            From the actions of the step before; by default as :class:`Actions` says.
        """
        if self._last is None:
            transition = np.broadcast_to(probabilities, (len(probabilities),) * 2)
        elif transition is None:
            transition = coupling(self._last, probabilities)
        self._last = np.asarray(probabilities)
        return {name: one.step(time, transition) for name, one in self._filters.items()}


def event_probabilities(rules: Sequence[Rule], actions: Actions) -> dict[str, EventProbabilities]:
    """Return how probable each rule is at each step, given the actions up to it.

    Exact for the distribution over paths that :class:`Actions` says, up to states of less than
    1e-12: a rule is an automaton, and what is followed is the distribution over its states.

    Parameters
    ----------
    rules : sequence of SequenceRule or Combination
        As :func:`read_rules` reads them.
    actions : Actions

    Raises
    ------
    FormatError
        If a rule names an unknown action (the nearest one).
    """
    detector = EventDetector(rules, actions.names, actions.step)
    series = np.empty((len(rules), len(actions.times), 2))
    for t, time in enumerate(actions.times):
        given = actions.transitions
        transition = None if given is None or t == 0 else given[t - 1]
        answers = detector.step(float(time), actions.probabilities[t], transition)
        series[:, t] = list(answers.values())
    return {
        rule.name: EventProbabilities(
            rule.name, actions.times, of_rule[:, 0], of_rule[:, 1], actions.hours
        )
        for rule, of_rule in zip(rules, series, strict=True)
    }
