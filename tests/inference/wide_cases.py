"""Small graphs whose tables lie on scales of their own, and a referee that lists assignments.

The referee adds weights by numpy's ``logaddexp``; it shares no code with the package.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

import mmgraph as mm


@dataclass
class Case:
    """A small graph, and what it says in logarithms."""

    cards: list[int]
    scopes: list[tuple[int, ...]] = field(default_factory=list)
    logs: list[np.ndarray] = field(default_factory=list)
    factors: list[mm.TableFactor] = field(default_factory=list)
    observed: dict[int, int] = field(default_factory=dict)
    soft: dict[int, np.ndarray] = field(default_factory=dict)

    def graph(self) -> mm.FactorGraph:
        return mm.FactorGraph(self.variables, self.factors)

    def __post_init__(self) -> None:
        self.variables = [mm.Variable(f"v{i}", n) for i, n in enumerate(self.cards)]

    def evidence(self, rows: int = 1) -> dict[str, object]:
        hard = {f"v{i}": [state] * rows for i, state in self.observed.items()}
        soft = {f"v{i}": mm.soft(np.tile(logs, (rows, 1))) for i, logs in self.soft.items()}
        return {**hard, **soft}

    def weights(self) -> np.ndarray:
        """The logarithm of every assignment's weight, one axis a variable."""
        total = np.zeros(self.cards)
        for states in itertools.product(*(range(n) for n in self.cards)):
            for scope, logs in zip(self.scopes, self.logs, strict=True):
                total[states] += logs[tuple(states[v] for v in scope)]
            for v, logs in self.soft.items():
                total[states] += logs[states[v]]
            if any(states[v] != state for v, state in self.observed.items()):
                total[states] = -np.inf
        return total

    def probabilities(self) -> np.ndarray:
        weights = self.weights()
        return np.exp(weights - np.logaddexp.reduce(weights, axis=None))


def random_case(seed: int, zeros: float, width: float) -> Case:
    """Up to five variables and eight tables, each on a scale of its own."""
    rng = np.random.default_rng(seed)
    case = Case(rng.integers(2, 4, int(rng.integers(2, 6))).tolist())
    variables = case.variables
    for _ in range(int(rng.integers(2, 9))):
        count = int(rng.integers(1, min(3, len(case.cards)) + 1))
        scope = tuple(rng.choice(len(case.cards), count, replace=False).tolist())
        shape = [case.cards[v] for v in scope]
        kind = rng.random()
        if kind < 0.3:  # given as logarithms, which reach further
            logs = rng.uniform(-1e4, 1e4) + width * rng.uniform(-5, 5, shape)
            logs[rng.random(shape) < zeros] = -np.inf
            factor = mm.TableFactor([variables[v] for v in scope], log_values=logs)
        else:
            powers = np.clip(rng.integers(-300, 300) + width * rng.uniform(-1, 1, shape), -307, 307)
            table = 10.0**powers * (rng.random(shape) >= zeros)
            factor = mm.TableFactor([variables[v] for v in scope], table)
            with np.errstate(divide="ignore"):
                logs = np.log(table)
        case.scopes.append(scope)
        case.logs.append(logs)
        case.factors.append(factor)
    for v, states in enumerate(case.cards):
        kind = rng.random()
        if kind < 0.2:
            case.observed[v] = int(rng.integers(states))
        elif kind < 0.4:
            case.soft[v] = rng.choice([-5000.0, 0.0, 800.0]) + width * rng.uniform(-5, 5, states)
    return case


def sliced_case(seed: int) -> Case:
    """A case whose tables have slices on scales of their own, of which evidence picks any.

    Up to three tables over up to four variables: what is left of one beside its largest entry may
    be far below what a double holds.
    """
    rng = np.random.default_rng(seed)
    case = Case(rng.integers(2, 4, int(rng.integers(2, 5))).tolist())
    observed = int(rng.integers(len(case.cards)))
    case.observed[observed] = int(rng.integers(case.cards[observed]))
    others = [v for v in range(len(case.cards)) if v != observed]
    for _ in range(int(rng.integers(1, 4))):
        count = int(rng.integers(1, min(2, len(others)) + 1))
        scope = (observed, *rng.choice(others, count, replace=False).tolist())
        shape = [case.cards[v] for v in scope]
        tops = rng.choice([-5000.0, -700.0, -660.0, -640.0, 0.0, 650.0, 2000.0], shape[0])
        logs = tops.reshape(-1, *(1,) * count) + rng.uniform(-3, 3, shape)
        case.scopes.append(scope)
        case.logs.append(logs)
        case.factors.append(mm.TableFactor([case.variables[v] for v in scope], log_values=logs))
    if rng.random() < 0.3:
        v = int(rng.choice(others))
        case.soft[v] = rng.uniform(-700, 0, case.cards[v])
    return case
