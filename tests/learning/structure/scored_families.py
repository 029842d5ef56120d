"""Families scored by the compiled code, for tests."""

import numpy as np

from mmgraph.graph.variable import Variable
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.problem import StructureData
from mmgraph.learning.structure.scores.families import change_parent, family_score
from mmgraph.learning.structure.scores.records import key_words


def data(codes=(), values=(), states=(), weights=None, experiment=None, is_set=None):
    """Rows of variables d0, d1, … with states and c0, c1, … without."""
    count = np.shape(codes if len(states) else values)[1]
    codes = np.asarray(codes, np.int8).reshape(len(states), count)
    values = np.asarray(values, float).reshape(-1, count)
    variables = [Variable(f"d{i}", n) for i, n in enumerate(states)]
    variables += [Variable(f"c{i}", family="gaussian") for i in range(len(values))]
    return StructureData(
        tuple(variables),
        codes,
        values,
        np.ones(count) if weights is None else np.asarray(weights, float),
        np.full(count, -1) if experiment is None else np.asarray(experiment),
        np.zeros((0, len(variables)), bool) if is_set is None else np.asarray(is_set),
    )


def records(rows, score, **options):
    return rows.scored_rows(rows.possible(Constraints.of(rows.names)), score, **options)


def scored(rows, child, parents):
    """The score of a family, and the gains of changing its parents."""
    key = np.zeros(key_words(len(rows.states)), np.uint64)
    for parent in parents:
        change_parent(key, parent)
    gains = np.empty(len(rows.states))
    return family_score(rows, child, key, gains), gains
