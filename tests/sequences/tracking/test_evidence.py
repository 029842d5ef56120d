"""What is learned while tracking: what confidences are worth, and how alike one person looks."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.sequences.tracking.appearance import AppearanceEvidence
from mmgraph.sequences.tracking.confidence import ConfidenceScale


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_confidences_on_any_scale_are_worth_what_other_frames_support(scale):
    random = np.random.default_rng(0)
    sure = random.normal(size=1000)
    supported = random.random(1000) < 1 / (1 + np.exp(-3 * sure))
    learned = ConfidenceScale(generally=0.3)
    assert learned.log_odds(sure[:3]).tolist() == [0, 0, 0]
    learned.learn(scale * sure - 7, supported)
    worth = learned.log_odds(np.array([-3, -1, 0, 1, 3, np.nan]) * scale - 7)
    assert (np.diff(worth[:5]) >= 0).all()
    assert worth[0] < -1 < 1 < worth[4]
    assert worth[5] == 0


def test_appearance_says_nothing_until_it_has_seen_both_kinds():
    evidence, distances = AppearanceEvidence(), np.array([0.1, 0.5, np.nan])
    assert evidence.log_ratios(distances).tolist() == [0, 0, 0]
    random = np.random.default_rng(0)
    evidence.learn(random.normal(0.1, 0.02, 50), random.normal(0.5, 0.1, 50))
    same, other, unknown = evidence.log_ratios(distances)
    assert same > 1
    assert other < -1
    assert unknown == 0
