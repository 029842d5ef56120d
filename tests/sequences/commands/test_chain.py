import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.sequences.commands.chain import PAUSE, Chain, Segment, WordStates
from mmgraph.sequences.commands.chain_kernels import pass_tokens
from mmgraph.sequences.commands.grammar import Grammar

WORDS = {
    PAUSE: WordStates(np.array([0], np.int32), np.array([0.6])),
    "a": WordStates(np.array([1, 2], np.int32), np.array([0.5, 0.3])),
    "b": WordStates(np.array([3], np.int32), np.array([0.7])),
}


def best_by_enumeration(chain, densities):
    """The score of every path of states, of which the best is taken."""
    best = -np.inf
    weights = {}
    for state in range(len(chain.stay)):
        weights[state, state] = chain.stay[state]
        for arc in range(chain.first_arc[state], chain.first_arc[state + 1]):
            pair = (int(chain.source[arc]), state)
            weights[pair] = max(weights.get(pair, -np.inf), chain.weight[arc])
    for path in itertools.product(range(len(chain.stay)), repeat=len(densities)):
        if all(pair in weights for pair in itertools.pairwise(path)):
            score = chain.start[path[0]] + chain.final[path[-1]]
            score += sum(weights[pair] for pair in itertools.pairwise(path))
            score += sum(densities[t, chain.emission[s]] for t, s in enumerate(path))
            best = max(best, score)
    return best


@given(st.integers(0, 10**6), st.sampled_from(["a", "b+", "b a | a"]), st.integers(1, 5))
@settings(max_examples=25)
def test_best_path_is_that_of_enumeration(seed, form, frames):
    chain = Chain.compiled(Grammar(form).network, WORDS)
    densities = np.random.default_rng(seed).normal(0, 2, (frames, 4))
    if len(chain.stay) ** frames > 10_000:
        densities = densities[:3]
    path, score = chain.best_path(densities)
    expected = best_by_enumeration(chain, densities)
    assert score == pytest.approx(expected, abs=1e-12) or (len(path) == 0 and expected == score)


def test_segments_tell_repeated_words_apart():
    chain = Chain.compiled(Grammar("a+").network, WORDS)
    columns = [0, 1, 1, 2, 1, 2, 2, 0]
    densities = np.full((len(columns), 4), -20.0)
    densities[np.arange(len(columns)), columns] = 0.0
    path, _ = chain.best_path(densities)
    assert [(one.word, one.first, one.end) for one in chain.segments(path)] == [
        ("a", 1, 4),
        ("a", 4, 7),
    ]
    assert chain.segments(path[:1]) == []
    assert isinstance(chain.segments(path)[0], Segment)


def test_tokens_a_frame_at_a_time_reach_the_same_score():
    chain = Chain.compiled(Grammar("a b | b+ a").network, WORDS)
    densities = np.random.default_rng(1).normal(0, 2, (30, 4))
    scores = chain.start + densities[0][chain.emission]
    for row in densities[1:]:
        following, origin = np.empty_like(scores), np.empty(len(scores), np.int32)
        pass_tokens(
            scores, chain.stay, chain.first_arc, chain.source, chain.weight, chain.emission,
            row, np.inf, following, origin,
        )  # fmt: skip
        scores = following
    assert (scores + chain.final).max() == pytest.approx(chain.best_path(densities)[1])
    assert chain.best_path(densities, beam=1e3)[1] == chain.best_path(densities)[1]
    assert chain.best_path(densities, beam=0.5)[1] <= chain.best_path(densities)[1]
