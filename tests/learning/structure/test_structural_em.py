from dataclasses import replace

import numpy as np
import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.learning.structure.constraints import Constraints
from mmgraph.learning.structure.graphs.equivalence import cpdag, structural_hamming_distance
from mmgraph.learning.structure.searches.best_graph import best_graph
from mmgraph.learning.structure.structural_em import _Incomplete, structural_em
from tests.learning.structure.scored_families import data

TRUE = np.zeros((5, 5), bool)
for edge in ((0, 2), (1, 2), (2, 3), (2, 4)):
    TRUE[edge] = True


def complete_rows(kind, rows):
    """Rows of a network: two causes, what they make, and two signs of that."""
    random = np.random.default_rng(0)
    noise = random.normal(size=(5, rows))
    values = noise.copy()
    if kind == "continuous":
        values[2] += 1.2 * values[0] - 1.2 * values[1]
        values[3:] += 1.2 * values[2]
        return data(values=values)
    codes = (noise > 0).astype(int)
    codes[2] = codes[0] + codes[1]
    codes[2] = np.where(random.random(rows) < 0.15, random.integers(0, 3, rows), codes[2])
    if kind == "mixed":
        return data(codes[:3], noise[3:] + 1.5 * codes[2], states=(2, 2, 3))
    codes[3:] = noise[3:] + codes[2] > 1
    return data(codes, states=(2, 2, 3, 2, 2))


def with_holes(rows, share, seed=1):
    random = np.random.default_rng(seed)
    codes, values = rows.codes.copy(), rows.values.copy()
    codes[random.random(codes.shape) < share] = -1
    values[random.random(values.shape) < share] = np.nan
    return replace(rows, codes=codes, values=values)


def constraints_of(rows, **limits):
    return rows.possible(Constraints.of(rows.names, **limits))


def searching(constraints):
    def search(rows, start):
        assert (rows.codes >= 0).all()
        assert np.isfinite(rows.values).all()
        return best_graph(rows.scored_rows(constraints), "tabu", start=start)

    return search


def seeded(number=0):
    return torch.Generator().manual_seed(number)


@pytest.mark.parametrize(
    ("kind", "rows", "share"),
    [("discrete", 1500, 0.3), ("continuous", 500, 0.2), ("mixed", 500, 0.2)],
)
def test_the_graph_of_incomplete_rows_is_about_that_of_complete_ones(kind, rows, share):
    full = complete_rows(kind, rows)
    constraints = constraints_of(full)
    search = searching(constraints)
    holes = with_holes(full, share)
    steps = []
    found = structural_em(
        holes, constraints, search, seeded(), progress=lambda number, score: steps.append(score)
    )
    truth = cpdag(TRUE, constraints)
    distances = [
        structural_hamming_distance(cpdag(graph, constraints), truth)
        for graph in (search(full, None).adjacency, found.adjacency)
    ]
    assert distances[1] <= distances[0] + 1
    scores = [score for _, score in found.trace]
    assert scores == sorted(scores)
    assert steps == sorted(steps)
    assert found.score == scores[-1]
    assert found.score == pytest.approx(_Incomplete.of(holes, None).fitted(found.adjacency)[1])
    assert found.method.startswith("structural EM")
    again = structural_em(holes, constraints, search, seeded())
    assert (again.adjacency == found.adjacency).all()
    assert again.trace == found.trace


def test_few_complete_rows_start_from_the_required_edges():
    full = complete_rows("discrete", 1000)
    constraints = constraints_of(full, required=[("d0", "d2")], forbidden=[("d3", "d4")])
    holes = with_holes(full, 0.4)
    holes = replace(holes, weights=(np.arange(1000) < 450).astype(float))
    first, _ = _Incomplete.of(holes, None).first_graph(constraints, searching(constraints))
    assert (first == constraints.required).all()
    found = structural_em(holes, constraints, searching(constraints), seeded(), max_iterations=3)
    constraints.check(found.adjacency, "the graph")
    assert found.score > found.trace[0][1]


def test_complete_rows_keep_the_graph_of_the_search():
    full = complete_rows("continuous", 300)
    constraints = constraints_of(full)
    expected = searching(constraints)(full, None)
    found = structural_em(full, constraints, searching(constraints))
    assert (found.adjacency == expected.adjacency).all()
    assert found.score == pytest.approx(expected.score, rel=1e-2)


def test_cells_are_drawn_given_those_of_their_row():
    codes = np.array([[0, 1, 1, 0], [0, 1, 1, 0]]).repeat(50, 1)
    codes[:, :10] = 1 - codes[:, :10]
    codes[1, 7], codes[0, 30:33] = 1 - codes[1, 7], -1
    holes = data(codes, states=(2, 2), weights=[2.0] * 200)
    rows = _Incomplete.of(holes, 400)
    graph = np.array([[False, True], [False, False]])
    network, _ = rows.fitted(graph)
    made = rows.completed(network, seeded())
    assert made.weights.sum() == pytest.approx(400.0)
    assert made.codes.shape == (2, 197 + 3 * 400)
    assert (made.codes[1, 197:] == 0).all()
    assert (made.codes[0, 197:] == 1).mean() < 0.05  # the other variable says 0
    assert (made.codes[0, 197:] == 1).any()
    assert (made.codes[:, :30] == codes[:, :30]).all()


def test_bad_input_is_refused():
    full = complete_rows("discrete", 50)
    constraints = constraints_of(full)
    with pytest.raises(LearningError, match="draws of structural EM are at least 1, not -1"):
        structural_em(full, constraints, searching(constraints), draws=-1)
    with pytest.raises(LearningError, match="iterations of structural EM"):
        structural_em(full, constraints, searching(constraints), max_iterations=0)
    experiments = replace(
        full, experiment=np.zeros(50, np.int64), is_set=np.array([[True, *[False] * 4]])
    )
    with pytest.raises(LearningError, match=r"nothing was set.*missing='available'"):
        structural_em(experiments, constraints, searching(constraints))
