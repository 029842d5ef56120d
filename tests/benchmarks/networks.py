"""What the benchmarks share: the networks, the evidence, and the peer they are measured against.

A network is given as two dictionaries, as any reader of BIF files can make them:

- ``variables``: the states of each variable, ``{name: [state, ...]}``;
- ``tables``: its parents and its conditional probabilities, ``{child: (parents, array)}``, the
  array of shape ``(*parents, child)``.

Evidence is a list of rows, ``{name: index of the state}``.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = (
    "asia",
    "alarm",
    "child",
    "insurance",
    "hailfinder",
    "win95pts",
    "andes",
    "hepar2",
    "pathfinder",
    "pigs",
    "water",
    "mildew",
    "diabetes",
    "munin",
)

Variables = Mapping[str, Sequence[str]]
Tables = Mapping[str, tuple[Sequence[str], np.ndarray]]
Row = dict[str, int]


def bif_path(name: str) -> Path:
    """Where pgmpy keeps its copy of a network; pgmpy itself is slow to import and is not."""
    package = importlib.util.find_spec("pgmpy")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("pgmpy is not installed: pip install 'mmgraph[interop]'")
    folder = Path(package.submodule_search_locations[0]) / "utils" / "example_models"
    path = folder / f"{name}.bif.gz"
    if not path.is_file():
        raise FileNotFoundError(f"pgmpy has no network {name!r}: no file {path}")
    return path


# --- evidence ----------------------------------------------------------------------------------


def choose_observed(variables: Iterable[str], share: float = 0.1, seed: int = 0) -> list[str]:
    """A fixed random choice of the nodes to observe, at least one, whatever order they come in."""
    names = sorted(variables)
    count = max(1, round(share * len(names)))
    return sorted(np.random.default_rng(seed).choice(names, count, replace=False).tolist())


def forward_sample(tables: Tables, rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw every variable given its parents; a state of probability zero is never drawn."""
    generator = np.random.default_rng(seed)
    graph = {child: sorted(parents) for child, (parents, _) in sorted(tables.items())}
    drawn: dict[str, np.ndarray] = {}
    for child in TopologicalSorter(graph).static_order():
        parents, table = tables[child]
        cumulative = np.cumsum(table, axis=-1)[tuple(drawn[parent] for parent in parents)]
        cumulative = np.broadcast_to(cumulative, (rows, table.shape[-1]))
        uniform = generator.random((rows, 1)) * cumulative[:, -1:]
        drawn[child] = (cumulative <= uniform).sum(axis=1)
    return drawn


def evidence_rows(
    tables: Tables, observed: Sequence[str], rows: int = 20, seed: int = 0
) -> list[Row]:
    """Values for the same nodes, from a new draw of the whole network in each row.

    The values change from row to row and are jointly possible.
    """
    drawn = forward_sample(tables, rows, seed)
    return [{name: int(drawn[name][row]) for name in observed} for row in range(rows)]


# --- pyAgrum -----------------------------------------------------------------------------------


@contextmanager
def one_pyagrum_thread() -> Iterator[None]:
    """Hold pyAgrum to one thread: every engine asks this number, unless it was given its own."""
    import pyagrum

    before = pyagrum.getNumberOfThreads()
    pyagrum.setNumberOfThreads(1)
    try:
        yield
    finally:
        pyagrum.setNumberOfThreads(before)


def to_pyagrum(variables: Variables, tables: Tables) -> Any:
    """Build the network in pyAgrum, table by table and unchanged, without its BIF parser.

    States are called s0, s1, ... in order, so that no label can trouble it.
    """
    import pyagrum

    network = pyagrum.BayesNet()
    for name, states in variables.items():
        labels = [f"s{index}" for index in range(len(states))]
        network.add(pyagrum.LabelizedVariable(name, name, labels))
    network.beginTopologyTransformation()
    for child, (parents, _) in tables.items():
        # pyAgrum's arrays run against the order of arrival: the last parent in is the first axis
        for parent in reversed(parents):
            network.addArc(parent, child)
    network.endTopologyTransformation()
    for child, (parents, table) in tables.items():
        expected = tuple(len(variables[name]) for name in (*parents, child))
        if table.shape != expected:
            raise ValueError(f"the table of {child!r} has shape {table.shape}, not {expected}")
        network.cpt(child).fillWith(np.ascontiguousarray(table, float).ravel().tolist())
    return network


@dataclass(frozen=True)
class Timing:
    """Seconds per call of an engine, the first call (which compiles) apart from the others."""

    first: float
    calls: list[float] = field(repr=False)

    @property
    def median(self) -> float:
        """The middle of the calls after the first."""
        return statistics.median(self.calls)

    @property
    def best(self) -> float:
        """The fastest of the calls after the first."""
        return min(self.calls)


def pyagrum_marginals(engine: Any, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The posteriors of an engine that has run, as arrays."""
    return {name: engine.posterior(name).toarray() for name in names}


def time_pyagrum_reused(network: Any, rows: Sequence[Row], *, change: bool = True) -> Timing:
    """All marginals of the unobserved nodes, one engine for all rows.

    Every row observes the same nodes. With ``change`` the new values go in by ``chgEvidence``,
    otherwise by ``setEvidence``. The posteriors stay pyAgrum's own tensors.
    """
    import pyagrum

    hidden = sorted(network.names() - rows[0].keys())
    seconds = []
    with one_pyagrum_thread():
        begin = time.perf_counter()
        engine = pyagrum.LazyPropagation(network)
        for number, row in enumerate(rows):
            if change and number:
                for name, value in row.items():
                    engine.chgEvidence(name, value)
            else:
                engine.setEvidence(row)
            engine.makeInference()
            for name in hidden:
                engine.posterior(name)
            end = time.perf_counter()
            seconds.append(end - begin)
            begin = end
    return Timing(seconds[0], seconds[1:])


def time_pyagrum_from_scratch(network: Any, rows: Sequence[Row]) -> Timing:
    """All marginals of the unobserved nodes, a new engine for each row."""
    import pyagrum

    hidden = sorted(network.names() - rows[0].keys())
    seconds = []
    with one_pyagrum_thread():
        for row in rows:
            begin = time.perf_counter()
            engine = pyagrum.LazyPropagation(network)
            engine.setEvidence(row)
            engine.makeInference()
            for name in hidden:
                engine.posterior(name)
            seconds.append(time.perf_counter() - begin)
    return Timing(seconds[0], seconds[1:])
