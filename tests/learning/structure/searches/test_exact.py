import itertools

import numpy as np
import pytest

from mmgraph.graph.errors import MemoryBudgetError
from mmgraph.learning.structure.searches import exact
from mmgraph.learning.structure.searches.exact import exact_graph, family_scores
from tests.learning.structure.scored_families import scored
from tests.learning.structure.searches.small_problems import problem


def test_every_set_of_parents_is_scored_or_hopeless():
    rows, _ = problem("discrete", "bic", 3, required=[(0, 1)], max_parents=2)
    scores = family_scores(rows)
    for child in range(4):
        others = [v for v in range(4) if v != child]
        for parents in itertools.chain.from_iterable(
            itertools.combinations(range(3), size) for size in range(4)
        ):
            score = scores[child, sum(1 << i for i in parents)]
            names = [others[i] for i in parents]
            if len(parents) > 2 or (child == 1 and 0 not in names):
                assert score == -np.inf
            elif np.isfinite(score):
                assert score == pytest.approx(scored(rows, child, names)[0])
            else:
                assert scored(rows, child, names)[0] < scored(rows, child, [])[0]


def test_tables_that_would_not_fit_are_refused_before_they_are_made(monkeypatch):
    rows, _ = problem("continuous", "bic", 0)
    monkeypatch.setattr(exact, "default_memory_budget", lambda: 100)
    with pytest.raises(MemoryBudgetError, match=r"all sets of 4 variables.*orders"):
        exact_graph(rows)
