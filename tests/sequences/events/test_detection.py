"""Probabilities of events against all paths of actions, and rules against their words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import EvidenceError, FormatError
from mmgraph.sequences.events.actions import Actions, coupling
from mmgraph.sequences.events.detection import EventDetector, event_probabilities
from mmgraph.sequences.events.detection_curve import detection_curve
from mmgraph.sequences.events.rules import Combination, Rule, SequenceRule, Step, checked_rules

NAMES = ("stand", "lie", "walk")
SECONDS = 0.5


def runs(path: tuple[int, ...], actions: set[str]) -> list[tuple[int, int]]:
    """Whole runs, from the first step to the one after the last."""
    inside = [NAMES[a] in actions for a in path]
    edges = np.flatnonzero(np.diff([0, *inside, 0]))
    return [(int(b), int(e)) for b, e in edges.reshape(-1, 2)]


def holds(rule: SequenceRule, path: tuple[int, ...]) -> tuple[bool, int]:
    """Whether it holds at the last step of a path, and where it began, by trying all runs."""
    choices = []
    for step in rule.steps:
        actions = set(NAMES) - {*step.actions} if step.other_than else {*step.actions}
        choices.append(runs(path, actions))
    for chosen in itertools.product(*choices):
        steps = list(zip(rule.steps, chosen, strict=True))
        fits = all(s.least <= (end - begin) * SECONDS <= s.most for s, (begin, end) in steps)
        for (_, (_, before)), (step, (begin, _)) in itertools.pairwise(steps):
            fits &= 0 <= (begin - before) * SECONDS <= step.gap
        ago = 1 if np.isfinite(rule.steps[-1].most) else 0
        if fits and chosen[-1][1] == len(path) - ago:
            return True, chosen[-1][0]
    return False, -1


def rules() -> st.SearchStrategy[SequenceRule]:
    durations = st.sampled_from([0.0, 0.5, 1.0, 1.5])
    mosts = st.sampled_from([np.inf, np.inf, 1.5])

    @st.composite
    def rule(draw: st.DrawFn) -> SequenceRule:
        order = draw(st.permutations(NAMES))[: draw(st.integers(1, 3))]
        order = [*order, *order[:1]] if draw(st.booleans()) and len(order) > 1 else order
        steps = [
            Step((name,), draw(durations), draw(mosts), draw(durations) if i else 0.0)
            for i, name in enumerate(order)
        ]
        if len(order) == 1 and draw(st.booleans()):
            steps = [Step(steps[0].actions, steps[0].least, steps[0].most, other_than=True)]
        return SequenceRule("rule", tuple(steps))

    return rule()


@settings(max_examples=40, deadline=None)
@given(rules(), st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_probabilities_are_those_of_all_paths(rule: SequenceRule, seed: int, length: int):
    generator = np.random.default_rng(seed)
    start = generator.dirichlet(np.ones(3))
    transitions = generator.dirichlet(0.5 * np.ones(3), (length - 1, 3))
    table = [start]
    for matrix in transitions:
        table.append(table[-1] @ matrix)
    actions = Actions(np.arange(length) * SECONDS, NAMES, np.array(table), transitions)
    told = event_probabilities([rule], actions)["rule"]
    for t in range(length):
        total = began = 0.0
        for path in itertools.product(range(3), repeat=t + 1):
            weight = start[path[0]]
            for step, pair in enumerate(itertools.pairwise(path)):
                weight *= transitions[step][pair]
            is_there, begin = holds(rule, path)
            total += weight * is_there
            began += weight * is_there * begin * SECONDS
        assert told.probability[t] == pytest.approx(total, abs=1e-9)
        if total > 1e-6:
            assert told.begin[t] == pytest.approx(began / total, abs=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_a_coupling_keeps_marginals_and_changes_least(seed: int):
    generator = np.random.default_rng(seed)
    before, after = generator.dirichlet(0.3 * np.ones(4), 2)
    matrix = coupling(before, after)
    assert before @ matrix == pytest.approx(after, abs=1e-12)
    assert matrix.sum(1) == pytest.approx(1.0)
    assert before @ np.diag(matrix) == pytest.approx(np.minimum(before, after).sum())


def test_a_chain_gives_the_posterior_of_all_its_paths():
    generator = np.random.default_rng(4)
    start, chances = generator.dirichlet(np.ones(3)), generator.dirichlet(np.ones(3), 3)
    chances[1] = [0.0, 0.0, 1.0]
    logs = generator.normal(size=(4, 3)) * 3
    logs[2, 0] = -np.inf
    actions = Actions.of_chain(np.arange(4.0), NAMES, logs, start, chances)
    joint = np.zeros((3,) * 4)
    for path in itertools.product(range(3), repeat=4):
        steps = np.prod([chances[pair] for pair in itertools.pairwise(path)])
        joint[path] = start[path[0]] * steps * np.exp(logs[range(4), path].sum())
    joint /= joint.sum()
    assert actions.probabilities[2] == pytest.approx(joint.sum((0, 1, 3)))
    assert actions.transitions is not None
    pairs = actions.probabilities[1][:, None] * actions.transitions[1]
    assert pairs == pytest.approx(joint.sum((0, 3)))
    with pytest.raises(EvidenceError, match="impossible"):
        Actions.of_chain(np.arange(2.0), NAMES, np.full((2, 3), -np.inf), start, chances)


FALL: list[Rule] = checked_rules(
    {
        "rule": [
            {
                "name": "fall",
                "step": [
                    {"actions": ["stand", "walk"]},
                    {"actions": ["lie"], "gap": 1, "least": 2},
                ],
            },
            {"name": "call", "step": [{"actions": ["call"]}]},
            {"name": "alarm", "all": ["fall"], "none": ["call"], "within": 1.5},
        ]
    }
)


def path_of(*parts: tuple[str, int]) -> Actions:
    labels = [name for name, count in parts for _ in range(count)]
    names = (*NAMES, "call", "sit")
    return Actions.of_labels(np.arange(len(labels)) * SECONDS, labels, names)


def test_a_fall_is_to_lie_soon_after_standing_and_long_enough():
    found = event_probabilities(FALL, path_of(("stand", 3), ("sit", 2), ("lie", 6), ("walk", 2)))
    (event,) = found["fall"].events()
    assert (event.begin, event.noticed, event.end, event.probability) == (2.5, 4.0, 5.0, 1.0)
    assert [e.noticed for e in found["alarm"].events()] == [4.0]
    for other in (
        (("stand", 3), ("sit", 3), ("lie", 6)),  # too late
        (("stand", 3), ("lie", 3), ("sit", 3)),  # too short
        (("lie", 6), ("stand", 3)),
    ):
        assert event_probabilities(FALL, path_of(*other))["fall"].events() == []
    called = event_probabilities(FALL, path_of(("stand", 3), ("lie", 5), ("call", 1)))
    assert called["alarm"].probability.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0]


def test_events_are_found_step_by_step_as_well():
    actions = path_of(("walk", 2), ("lie", 5), ("sit", 1))
    noisy = 0.8 * actions.probabilities + 0.04
    actions = Actions(actions.times, actions.names, noisy)
    whole = event_probabilities(FALL, actions)
    detector = EventDetector(FALL, actions.names, SECONDS)
    for t, row in enumerate(noisy):
        told = detector.step(actions.times[t], row)
        assert told["alarm"][0] == pytest.approx(whole["alarm"].probability[t], abs=1e-12)
    assert 0.3 < whole["fall"].probability.max() < 0.9


def test_a_small_network_of_stages_recognises_an_event():
    # Left to right: standing, falling, lying; rows are indices of recognised actions.
    stages = ("before", "falling", "down")
    chances = np.array([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    emission = np.log([[0.9, 0.05, 0.05], [0.3, 0.3, 0.4], [0.04, 0.95, 0.01]])
    rows = [0, 0, 0, 2, 1, 1, 1, 1]
    start = [1.0, 0.0, 0.0]
    actions = Actions.of_chain(np.arange(8.0), stages, emission[:, rows].T, start, chances)
    rule = SequenceRule("down", (Step(("down",), least=2.0),))
    (event,) = event_probabilities([rule], actions)["down"].events(0.9)
    assert (event.noticed, event.end) == (6.0, 7.0)
    assert event.begin == pytest.approx(4.0, abs=0.2)


def test_a_curve_counts_false_alarms_and_delays():
    parts = [("stand", 2), ("lie", 4), ("stand", 4)]
    certain = path_of(*parts, *parts)
    probability = 0.9 * certain.probabilities + 0.02
    probability[10:] = 0.4 * certain.probabilities[10:] + 0.12
    rule = SequenceRule("lies", (Step(("lie",), least=1.0),))
    told = event_probabilities([rule], Actions(certain.times, certain.names, probability))["lies"]
    curve = detection_curve([told], [[(1.0, 2.5)]], [0.3, 0.6, 1.0])
    assert curve.false_alarms == pytest.approx([1 / told.hours, 0.0, 0.0])
    assert curve.found.tolist() == [1.0, 1.0, 0.0]
    assert curve.delays[:2].tolist() == [0.5, 0.5]
    assert curve.columns()["median_delay"][2] is None
    with pytest.raises(EvidenceError, match="begins at 2 s, after it ends"):
        detection_curve([told], [[(2.0, 1.0)]])
    with pytest.raises(EvidenceError, match="1 recordings have 0"):
        detection_curve([told], [])
    with pytest.raises(EvidenceError, match="threshold"):
        told.events(0.0)


@pytest.mark.parametrize(
    ("times", "probabilities", "message"),
    [
        ([], np.zeros((0, 3)), "0 steps have no durations"),
        ([0.0, 1.0], np.ones((2, 2)), "shape"),
        ([0.0, 1.0, 5.0], np.eye(3), "evenly spaced: from 0 s to 1 s"),
        ([1.0, 0.0], np.eye(3)[:2], "evenly spaced"),
        ([0.0, 1.0], [[1.0, 0.0, 0.0], [0.9, 0.9, 0.0]], "at 1 s .row 1. are no distribution"),
        ([0.0, 1.0], [[1.0, 0.0, np.nan], [1.0, 0.0, 0.0]], "no distribution"),
    ],
)
def test_actions_that_are_none_are_refused(times, probabilities, message):
    with pytest.raises(EvidenceError, match=message):
        Actions(times, NAMES, probabilities)


def test_unknown_actions_are_named():
    with pytest.raises(EvidenceError, match="'walc'; did you mean 'walk'"):
        Actions.of_labels([0.0, 1.0], ["walc", "lie"], NAMES)
    rule = SequenceRule("fall", (Step(("lying",)),))
    with pytest.raises(FormatError, match="rule 'fall', step 1: there is no action 'lying'"):
        EventDetector([rule], NAMES, 1.0)
    shared = SequenceRule("fall", (Step(("lie", "walk")), Step(("walk",))))
    with pytest.raises(FormatError, match="steps 1 and 2 both have 'walk'"):
        EventDetector([shared], NAMES, 1.0)
    any_of = Combination("either", any_of=("a", "b"))
    alone = [SequenceRule(n, (Step((a,)),)) for n, a in (("a", "lie"), ("b", "walk"))]
    actions = Actions.of_labels([0.0, 1.0, 2.0], ["stand", "walk", "lie"], NAMES)
    told = event_probabilities([*alone, any_of], actions)["either"]
    assert told.probability.tolist() == [0.0, 1.0, 1.0]
