"""Words known by templates of other voices."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.sequences.commands.phone_posteriors import (
    PhonePosteriors,
    warping_distances,
    without_hubs,
)

RATE = 8000
TONES = {"a": 400.0, "i": 1100.0, "u": 2300.0}


def sung(phones: str, shift: float, seconds: float = 0.15) -> np.ndarray:
    """Tones one after the other, of a voice that shifts them."""
    time = np.arange(round(seconds * RATE)) / RATE
    parts = [np.sin(2 * np.pi * TONES[one] * shift * time) for one in phones]
    noise = np.random.default_rng(0).normal(0, 1e-3, len(time) * len(phones))
    return (0.3 * np.concatenate(parts) + noise).astype(np.float32)


@pytest.mark.slow
def test_words_of_an_unknown_voice_are_nearest_to_those_of_another() -> None:
    words = ["aiu", "uia", "iau", "aua", "iui"]
    recordings = [sung(word, shift) for shift in (0.95, 1.05) for word in words]
    phones = [[(0.15 * k, one) for k, one in enumerate(word)] for word in 2 * words]
    model = PhonePosteriors.learned(recordings, phones, RATE, steps=25)
    assert model.phones == ("", "a", "i", "u")
    templates = model.of_voice(recordings[: len(words)])
    queries = model.of_voice([sung(word, 1.0, 0.2) for word in words])
    assert all(np.allclose(one.sum(1), 1) for one in queries)
    distances = warping_distances(templates, queries)
    assert distances.argmin(0).tolist() == list(range(len(words)))


def test_equal_words_have_no_distance_at_any_speed() -> None:
    gram = np.eye(3)[[0, 1, 2]]
    slow = np.repeat(gram, 3, axis=0)
    distances = warping_distances([gram, gram[::-1]], [gram, slow])
    assert np.allclose(distances[0], 0)
    # Squared Hellinger distances of disjoint phones are one; the middle phone agrees.
    assert distances[1, 0] == pytest.approx(3 / 6)


def test_a_template_that_is_near_to_everything_answers_no_more() -> None:
    distances = np.array([[0.2, 0.9, 0.9], [0.9, 0.3, 0.9], [0.15, 0.2, 0.1]])
    assert distances.argmin(0).tolist() == [2, 2, 2]
    assert without_hubs(distances).argmin(0).tolist() == [0, 1, 2]


def test_recordings_without_phones_are_refused() -> None:
    with pytest.raises(LearningError, match="2 recordings, phones of 1"):
        PhonePosteriors.learned([np.zeros(800, np.float32)] * 2, [[]], RATE)
    with pytest.raises(EvidenceError, match="recording 1 is empty"):
        PhonePosteriors.learned([np.ones(800, np.float32), np.zeros(0)], [[], []], RATE)
    with pytest.raises(EvidenceError, match="recording 0: sample 3 is not finite"):
        PhonePosteriors.learned([np.array([0.0, 1.0, 0.5, np.nan])], [[]], RATE)
