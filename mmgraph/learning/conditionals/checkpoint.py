"""The state of expectation maximisation in a directory, whole at any time.

Parameters lie in a safetensors file with a number in its name, everything else in ``state.json``,
which names that file. Both are written under other names and renamed, the JSON last: whenever
writing is cut off, the directory holds the state before it or the state after it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factor_graph import FactorGraph

STATE = "state.json"
FORMAT = "mmgraph expectation maximization"
VERSION = 1


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
    """All restarts.

    Attributes
    ----------
    seeds : list of int
        One for each restart.
    finished : list of float
        The last objectives of those that have ended.
    current : Restart or None
        The one that is running.
    best : Restart or None
        The best of those that have ended.
    """

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
    """A directory that keeps the state of one call.

    Parameters
    ----------
    directory : Path
        Made when first written to.
    graph : FactorGraph
        Its structure must be that of the saved parameters.
    settings : mapping of str to JSON values
        The options of the call; a state that was saved under others is refused.
    """

    def __init__(self, directory: Path, graph: FactorGraph, settings: Mapping[str, Any]) -> None:
        self.directory, self.graph = directory, graph
        self._settings = json.loads(json.dumps(settings))
        self._structure = [
            [type(f).__name__, [[v.name, v.cardinality, *v.shape] for v in f.scope]]
            for f in graph.factors
        ]
        self._saved = 0

    def mismatch(self, what: str) -> FormatError:
        """Return the error that says in what the saved state differs from the call."""
        return FormatError(
            f"{self.directory} holds the state of another call: {what} differ; give another "
            "directory, or remove it"
        )

    def save(self, state: RestartState) -> None:
        """Write the state, so that nothing but it or the one before is ever to be read.

        Raises
        ------
        FormatError
            If the directory cannot be written.
        """
        from safetensors.torch import save

        self._saved += 1
        tensors: dict[str, Tensor] = {}
        document: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "settings": self._settings,
            "structure": self._structure,
            "parameters": f"parameters-{self._saved:06d}.safetensors",
            "seeds": state.seeds,
            "finished": state.finished,
        }
        for role, restart in (("current", state.current), ("best", state.best)):
            if restart is not None:
                document[role] = {
                    "number": restart.number,
                    "log_likelihoods": restart.log_likelihoods,
                    "objectives": restart.objectives,
                    "converged": restart.converged,
                    "settings": [f.settings() for f in restart.factors],
                }
                tensors.update(_tensors_of(role, restart.factors))
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            write_atomically(self.directory / document["parameters"], save(tensors))
            write_atomically(self.directory / STATE, json.dumps(document, indent=1).encode("ascii"))
            for old in self.directory.glob("parameters-*.safetensors"):
                if old.name != document["parameters"]:
                    old.unlink(missing_ok=True)
        except OSError as error:
            raise FormatError(f"{self.directory} cannot be written ({error})") from None

    def load(self) -> RestartState | None:
        """Return the saved state, or None if there is none.

        Raises
        ------
        FormatError
            If a file is damaged or missing, or belongs to another graph or other options.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = self.directory / STATE
        try:
            content = path.read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{path} cannot be read ({error})") from None
        try:
            document = json.loads(content)
            if document["format"] != FORMAT or document["version"] != VERSION:
                raise FormatError(f"{path} is no state of this version of mmgraph")
            for key, own in (("settings", self._settings), ("structure", self._structure)):
                if document[key] != own:
                    what = "the options" if key == "settings" else "the graph's distributions"
                    raise self.mismatch(what)
            name = str(document["parameters"])
            self._saved = int(name.removeprefix("parameters-").removesuffix(".safetensors"))
            tensors = load((self.directory / Path(name).name).read_bytes())
            state = RestartState([int(s) for s in document["seeds"]], list(document["finished"]))
            for role in ("current", "best"):
                if role in document:
                    setattr(state, role, self._restart(role, document[role], tensors))
            return state
        except (KeyError, TypeError, AttributeError, ValueError, OSError, SafetensorError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path}: the state is damaged ({error!r})") from None

    def _restart(
        self, role: str, document: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> Restart:
        factors: list[Factor] = []
        for i, factor in enumerate(self.graph.factors):
            prefix = f"{role}.{i}."
            own = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            factors.append(_restored(factor, own, document["settings"][i]))
        return Restart(
            int(document["number"]),
            factors,
            [float(x) for x in document["log_likelihoods"]],
            [float(x) for x in document["objectives"]],
            bool(document["converged"]),
        )


def _tensors_of(role: str, factors: Sequence[Factor]) -> dict[str, Tensor]:
    tensors = {}
    for i, factor in enumerate(factors):
        for name, tensor in factor.parameters().items():
            # A copy of its own: the file format refuses tensors that share their memory.
            tensors[f"{role}.{i}.{name}"] = tensor.detach().cpu().contiguous().clone()
    return tensors


def _restored(like: Factor, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Factor:
    try:
        return like.restore(like.scope, like.child, tensors, settings)
    except GraphError as error:
        raise FormatError(f"the saved parameters of {like!r} do not fit it: {error}") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write under a temporary name in the same directory, then rename."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
