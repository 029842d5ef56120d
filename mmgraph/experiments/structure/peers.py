"""What other packages learn from the same states: pyAgrum and pgmpy, where they are installed."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from mmgraph.experiments.structure.data import Edge

States = Mapping[str, np.ndarray]
Graph = tuple[str, list[Edge], float]
"""How it was learned, its edges, and the seconds that it took."""


def pyagrum_graphs(states: States, strength: float) -> Iterator[Graph]:
    """Yield the graphs of pyAgrum by its searches; it takes no interventions."""
    import pandas as pd
    import pyagrum as gum

    frame = pd.DataFrame(states).astype(str)
    searches = ("GreedyHillClimbing", "LocalSearchWithTabuList")
    ways = [*((score, s) for score in ("BIC", "AIC", "K2", "BDeu", "BD") for s in searches)]
    for score, search in (*ways, ("", "MIIC")):
        began = time.perf_counter()
        learner = gum.BNLearner(frame)
        if score:
            getattr(learner, f"useScore{score}")()
        if score == "BD":
            learner.useBDeuPrior(strength)
        getattr(learner, f"use{search}")()
        arcs = learner.learnDAG().arcs()
        edges = [(learner.nameFromId(a), learner.nameFromId(b)) for a, b in arcs]
        yield f"{search} {score}".strip(), edges, time.perf_counter() - began


def pgmpy_graphs(states: States, strength: float) -> Iterator[Graph]:
    """Yield the graphs of pgmpy by hill climbing; it takes no interventions."""
    import pandas as pd
    from pgmpy.causal_discovery import HillClimbSearch
    from pgmpy.structure_score import BDeu

    frame = pd.DataFrame(states).astype(str).astype("category")
    scores = {"bic-d": "bic-d", "k2": "k2", "bdeu": BDeu(frame, equivalent_sample_size=strength)}
    for name, score in scores.items():
        began = time.perf_counter()
        search = HillClimbSearch(scoring_method=score, return_type="dag", show_progress=False)
        edges = list(search.fit(frame).causal_graph_.edges())
        yield f"hill climbing {name}", edges, time.perf_counter() - began


PEERS: Mapping[str, tuple[str, str, Callable[[States, float], Iterator[Graph]]]] = {
    "pyAgrum": ("pyagrum", "benchmark", pyagrum_graphs),
    "pgmpy": ("pgmpy", "interop", pgmpy_graphs),
}
"""The package, the extra that brings it, and what learns its graphs."""


def is_installed(peer: str) -> bool:
    """Whether the package of a peer is installed."""
    return importlib.util.find_spec(PEERS[peer][0]) is not None
