"""Cross-fitted learners: near the truth where lines are not, by rows that they have not seen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from mmgraph.graph.errors import CausalError
from tests.causal.estimation.tables_of_models import arrows


@pytest.fixture(scope="module")
def curved() -> dict[str, np.ndarray]:
    """The effect is 1; probability and outcome depend on whether c is small."""
    random = np.random.default_rng(0)
    c = random.normal(size=1000)
    small = abs(c) < 0.7
    x = (random.random(1000) < 0.2 + 0.6 * small).astype(int)
    return {"c": c, "x": x, "y": x + 2 * small + random.normal(size=1000)}


@pytest.mark.slow  # fifteen models
def test_boosting_finds_what_lines_miss(curved: dict[str, np.ndarray]):
    model = arrows("c>x c>y x>y")
    lines = model.effect("y", "x", data=curved)
    assert lines.interval[0] > 1.2
    learned = model.effect("y", "x", data=curved, learner="boosting")
    assert learned.interval[0] < 1.0 < learned.interval[1]
    assert learned.interval[1] - learned.interval[0] < 1.0
    assert "cross-fitted" in learned.method


def test_linear_learners_come_to_what_lines_say(curved: dict[str, np.ndarray]):
    model, pair = arrows("c>x c>y x>y"), (LinearRegression(), LogisticRegression(C=np.inf))
    lines = model.effect("y", "x", data=curved)
    learned = model.effect("y", "x", data=curved, learner=pair)
    assert float(learned) == pytest.approx(float(lines), abs=lines.standard_error / 3)
    assert learned.standard_error == pytest.approx(lines.standard_error, rel=0.1)
    grouped = model.effect("y", "x", data=curved, learner=pair, groups=np.arange(1000) // 2)
    assert float(grouped) == pytest.approx(float(lines), abs=lines.standard_error / 3)


def test_what_no_learner_is_gets_refused(curved: dict[str, np.ndarray]):
    model = arrows("c>x c>y x>y")
    for learner in ("boost", LinearRegression(), (LinearRegression(), LinearRegression())):
        with pytest.raises(CausalError, match="a learner is"):
            model.effect("y", "x", data=curved, learner=learner)
    pair = (LogisticRegression(), LogisticRegression())
    with pytest.raises(CausalError, match="other values"):
        model.effect("y", "x", data=curved, learner=pair)
    with pytest.raises(CausalError, match="doubly_robust"):
        model.effect("y", "x", data=curved, learner="boosting", method="regression")
    with pytest.raises(CausalError, match="nothing is adjusted"):
        arrows("x>y").effect("y", "x", data=curved, learner="boosting")
