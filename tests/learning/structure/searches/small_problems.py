"""Rows of four variables, and the best of all their graphs: what searches are tested against."""

import numpy as np

from mmgraph.learning.structure.constraints import Constraints
from tests.learning.structure.every_graph import all_dags
from tests.learning.structure.scored_families import data, scored

STATES = (2, 3, 2, 3)
KINDS = {
    "discrete": ("bic", "aic", "bdeu", "bds", "k2", "held-out"),
    "continuous": ("bic", "aic", "bge", "held-out"),
    "mixed": ("bic", "aic", "held-out"),
}
CASES = [(kind, score) for kind, scores in KINDS.items() for score in scores]


def rows_of(kind, seed, rows=150):
    """Rows in which the second and third variable depend on the first, the fourth on both."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(4, rows))
    values[1] += values[0]
    values[2] -= 0.6 * values[0]
    values[3] += 0.8 * values[1] + values[2]
    if kind == "continuous":
        return data(values=values)
    codes = [
        np.digitize(v, np.linspace(-0.5, 0.5, n - 1)) for v, n in zip(values, STATES, strict=True)
    ]
    if kind == "discrete":
        return data(codes, states=STATES)
    return data(codes[:2], values[2:], states=STATES[:2])


def problem(kind, score, seed, rows=150, **limits):
    """The records of such rows, with constraints by the variables' numbers."""
    found = rows_of(kind, seed, rows)
    names = found.names
    edges = {
        what: [(names[a], names[b]) for a, b in limits.pop(what, ())]
        for what in ("required", "forbidden")
    }
    tiers = [[names[i] for i in tier] for tier in limits.pop("tiers", ())]
    constraints = found.possible(Constraints.of(names, tiers=tiers, **edges, **limits))
    options = {}
    if score == "held-out":
        options["held_out"] = (np.random.default_rng(seed).random(rows) < 0.4).astype(float)
    return found.scored_rows(constraints, score, **options), constraints


def every_score(records):
    """All graphs that the constraints allow, and their scores."""
    count = len(records.states)
    families = {}
    graphs, scores = [], []
    for graph in all_dags(count):
        legal = not (graph & ~records.allowed).any() and not (records.required & ~graph).any()
        if not legal or (graph.sum(0) > records.max_parents).any():
            continue
        total = 0.0
        for child in range(count):
            family = (child, *np.flatnonzero(graph[:, child]))
            if family not in families:
                families[family] = scored(records, child, family[1:])[0]
            total += families[family]
        graphs.append(graph)
        scores.append(total)
    return graphs, np.array(scores)
