"""The state of expectation maximisation in a directory, whole at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.learning.kept_state import KeptState


@dataclass
class Restart:
    """One restart: its parameters, and how the objective got there."""

    number: int
    factors: list[Factor]
    log_likelihoods: list[float] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)
    converged: bool = False


@dataclass
class RestartState:
    """All restarts: a seed for each, and the last objectives of those that have finished."""

    seeds: list[int]
    finished: list[float] = field(default_factory=list)
    current: Restart | None = None
    best: Restart | None = None

    @property
    def number(self) -> int:
        """Which restart is running, or comes next."""
        return len(self.finished)

    def begin(self, factors: list[Factor]) -> None:
        """Start the next restart."""
        self.current = Restart(self.number, factors)

    def finish(self) -> None:
        """End the running restart, and keep it if it is the best so far."""
        assert self.current is not None
        objective = self.current.objectives[-1]
        if self.best is None or objective > self.best.objectives[-1]:
            self.best = self.current
        self.finished.append(objective)
        self.current = None


class Checkpoint:
    """A directory that keeps the state of one call, and refuses that of another."""

    def __init__(self, directory: Path, graph: FactorGraph, settings: Mapping[str, Any]) -> None:
        self.graph = graph
        structure = [
            [type(f).__name__, [[v.name, v.cardinality, *v.shape] for v in f.scope]]
            for f in graph.factors
        ]
        belongs_to = {"options": settings, "graph's distributions": structure}
        self.storage = KeptState(directory, "call", belongs_to)

    def save(self, state: RestartState) -> None:
        """Replace the saved state."""
        tensors: dict[str, Tensor] = {}
        document: dict[str, Any] = {"seeds": state.seeds, "finished": state.finished}
        for role, restart in (("current", state.current), ("best", state.best)):
            if restart is not None:
                plain = {k: v for k, v in vars(restart).items() if k != "factors"}
                document[role] = {**plain, "settings": [f.settings() for f in restart.factors]}
                for i, factor in enumerate(restart.factors):
                    named = factor.parameters().items()
                    tensors.update((f"{role}.{i}.{name}", tensor) for name, tensor in named)
        self.storage.save(document, tensors)

    def load(self) -> RestartState | None:
        """Return the saved state, or None if there is none."""
        saved = self.storage.load()
        if saved is None:
            return None
        try:
            state = RestartState([int(s) for s in saved.document["seeds"]])
            state.finished = [float(x) for x in saved.document["finished"]]
            for role in {"current", "best"} & saved.document.keys():
                setattr(state, role, self._restart(role, dict(saved.document[role]), saved.tensors))
            return state
        except (KeyError, TypeError, AttributeError, ValueError, GraphError) as error:
            raise self.storage.damaged(error) from None

    def _restart(
        self, role: str, document: dict[str, Any], tensors: Mapping[str, Tensor]
    ) -> Restart:
        factors: list[Factor] = []
        settings = document.pop("settings")
        for i, factor in enumerate(self.graph.factors):
            prefix = f"{role}.{i}."
            named = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            factors.append(factor.restore(factor.scope, factor.child, named, settings[i]))
        return Restart(factors=factors, **document)
