"""Rules as finite automata, which read a path of actions step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mmgraph.graph.errors import FormatError
from mmgraph.sequences.events.rules import Combination, Rule, SequenceRule

_ROUNDING = 1e-9


class Automaton(Protocol):
    """What reads actions, by their places among all names."""

    start: Any

    def after(self, state: Any, action: int) -> Any:
        """Return the state after one more step of an action."""

    def holds(self, state: Any) -> bool:
        """Whether the event is there at this step, and noticed."""

    def is_open(self, state: Any) -> bool:
        """Whether the event, if it is one, goes on; it begins with the first such step."""


class SequenceAutomaton:
    """Reads a :class:`SequenceRule`.

    A state holds how far the steps may have come: ``(step, k)`` in the k-th step of a run, or
    ``(step, -k)`` k steps after its end. It holds the last action as well, to tell where runs
    begin, and whether the last run has just ended as it should.

    Raises
    ------
    FormatError
        If an action is unknown, or two steps in a row have one in common.
    """

    def __init__(self, rule: SequenceRule, names: Sequence[str], seconds: float) -> None:
        self.runs = []
        for number, step in enumerate(rule.steps):
            try:
                self.runs.append(step.among(names))
            except FormatError as error:
                raise FormatError(f"rule '{rule.name}', step {number + 1}: {error}") from None
            if number and (common := self.runs[-1] & self.runs[-2]):
                raise FormatError(
                    f"rule '{rule.name}': steps {number} and {number + 1} both have "
                    f"'{names[min(common)]}', so that none tells where the first ends"
                )
        self.least = [max(math.ceil(s.least / seconds - _ROUNDING), 1) for s in rule.steps]
        self.most = [s.most / seconds + _ROUNDING for s in rule.steps]
        self.gap = [math.floor(s.gap / seconds + _ROUNDING) for s in rule.steps]
        self.start: tuple[frozenset[tuple[int, int]], int, bool] = (frozenset(), -1, False)

    def after(self, state: Any, action: int) -> Any:
        """Return the state after one more step of an action."""
        threads, last, _ = state
        reached: set[tuple[int, int]] = set()
        has_ended = False
        final = len(self.runs) - 1
        if action in self.runs[0] and last not in self.runs[0]:
            reached.add((0, 1))
        for step, count in threads:
            if count > 0 and action in self.runs[step]:
                cap = self.least[step] if math.isinf(self.most[step]) else self.most[step] + 1
                reached.add((step, int(min(count + 1, cap))))
                continue
            if count > 0 and not self.least[step] <= count <= self.most[step]:
                continue
            if step == final:
                has_ended = has_ended or math.isfinite(self.most[step])
                continue
            if action in self.runs[step + 1] and last not in self.runs[step + 1]:
                reached.add((step + 1, 1))
            if max(-count, 0) < self.gap[step + 1]:
                reached.add((step, min(count, 0) - 1))
        # Of several waits after a step, the shortest can still become all that the others can.
        shortest: dict[int, int] = {}
        for step, count in reached:
            if count < 0:
                shortest[step] = max(count, shortest.get(step, count))
        reached = {(s, k) for s, k in reached if k > 0 or k == shortest[s]}
        return frozenset(reached), action, has_ended

    def holds(self, state: Any) -> bool:
        """Whether the last run has lasted long enough, or ended in time where it must."""
        if math.isfinite(self.most[-1]):
            return bool(state[2])
        return any(s == len(self.runs) - 1 and k >= self.least[-1] for s, k in state[0])

    def is_open(self, state: Any) -> bool:
        """Whether the last run is there; no thread waits after it."""
        return any(s == len(self.runs) - 1 for s, _ in state[0])


class CombinedAutomaton:
    """Reads a :class:`Combination`: the states of its rules, and how long ago each has held."""

    def __init__(self, rule: Combination, parts: Mapping[str, Automaton], seconds: float) -> None:
        named = (*rule.all_of, *rule.any_of, *rule.none_of)
        self.rule, self.names = rule, tuple(dict.fromkeys(named))
        self.parts = [parts[name] for name in self.names]
        self.most = math.floor(rule.within / seconds + _ROUNDING)
        never = self.most + 1
        self.start = tuple((part.start, never) for part in self.parts)

    def after(self, state: Any, action: int) -> Any:
        """Return the state after one more step of an action."""
        reached = []
        for part, (inner, ago) in zip(self.parts, state, strict=True):
            inner = part.after(inner, action)
            reached.append((inner, 0 if part.holds(inner) else min(ago + 1, self.most + 1)))
        return tuple(reached)

    def holds(self, state: Any) -> bool:
        """Whether all, any and none of the rules have held within the time."""
        recent = {n for n, (_, ago) in zip(self.names, state, strict=True) if ago <= self.most}
        rule = self.rule
        return (
            recent.issuperset(rule.all_of)
            and recent.isdisjoint(rule.none_of)
            and (not rule.any_of or not recent.isdisjoint(rule.any_of))
        )

    is_open = holds


def automata(rules: Sequence[Rule], names: Sequence[str], seconds: float) -> dict[str, Automaton]:
    """Return the automaton of each rule, for actions of these names in steps of some seconds."""
    made: dict[str, Automaton] = {}
    for rule in rules:
        made[rule.name] = (
            SequenceAutomaton(rule, names, seconds)
            if isinstance(rule, SequenceRule)
            else CombinedAutomaton(rule, made, seconds)
        )
    return made
