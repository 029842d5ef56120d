"""Penalties: chosen on sequences with known changes, and all that matter of one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgraph.graph.errors import LearningError
from mmgraph.sequences.changepoints.changepoints import changepoints
from mmgraph.sequences.changepoints.penalties import (
    boundary_score,
    choose_penalty,
    penalty_path,
)

PLACES = st.lists(st.integers(0, 20), max_size=5, unique=True)


@given(PLACES, PLACES, st.integers(0, 4))
def test_as_many_boundaries_agree_as_can(found, true, tolerance):
    most = 0
    for size in range(min(len(found), len(true)) + 1):
        for ours in itertools.combinations(sorted(found), size):
            for theirs in itertools.combinations(sorted(true), size):
                if all(abs(a - b) <= tolerance for a, b in zip(ours, theirs, strict=True)):
                    most = size
    score = boundary_score(found, true, tolerance)
    assert (score.agreeing, score.found, score.true) == (most, len(found), len(true))
    assert 0 <= score.f1 <= 1


def test_the_chosen_penalty_finds_the_changes_of_other_recordings():
    generator = np.random.default_rng(2)

    def recording() -> tuple[np.ndarray, list[int]]:
        places = sorted(generator.choice(np.arange(20, 280, 20), 4, replace=False).tolist())
        steps = np.zeros(300)
        steps[places] = generator.choice([-4, 4], 4)
        drift = np.convolve(generator.normal(size=300), np.ones(8) / 4, "same")  # BIC fails here
        return steps.cumsum() + drift, places

    shown, new = [recording() for _ in range(4)], recording()
    chosen = choose_penalty(*zip(*shown, strict=True), tolerance=3)
    assert chosen.f1 == chosen.f1s.max() > 0.9
    by_default = boundary_score(changepoints(new[0]).boundaries, new[1], 3).f1
    found = changepoints(new[0], penalty=chosen.penalty)
    assert boundary_score(found.boundaries, new[1], 3).f1 > max(0.85, by_default)


def test_the_path_holds_the_best_partition_of_every_penalty():
    rows = np.random.default_rng(3).normal(size=80).cumsum()
    path = penalty_path(rows, 0.5, 200.0, least_length=2)
    penalties = [one.penalty for one in path]
    assert penalties == sorted(penalties, reverse=True)
    assert penalties[-1] == 0.5
    assert len(path) > 5
    for penalty in np.geomspace(0.51, 199.0, 40):
        alone = changepoints(rows, penalty=penalty, least_length=2)
        told = next(one for one in path if one.penalty <= penalty)
        assert told.boundaries.tolist() == alone.boundaries.tolist()


def test_what_no_penalty_can_be_chosen_from_is_said():
    with pytest.raises(LearningError, match="1 recordings have 0 lists"):
        choose_penalty([[1.0, 2.0]], [], 1.0)
    with pytest.raises(LearningError, match="exceeds the largest"):
        penalty_path([1.0, 2.0], 2.0, 1.0)
    with pytest.raises(LearningError, match="tolerance"):
        boundary_score([1], [1], -1)
