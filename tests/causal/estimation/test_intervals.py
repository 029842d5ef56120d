"""Standard errors and intervals: derivative and bootstrap agree, and cover as often as they say."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from mmgraph.causal.estimation.estimators import tables
from mmgraph.causal.estimation.estimators.contrast import contrast
from mmgraph.causal.estimation.estimators.intervals import (
    FewGroupsWarning,
    IntervalSettings,
    estimates,
)
from mmgraph.causal.estimation.estimators.sample import read_sample
from mmgraph.graph.errors import CausalError, LearningError, MmgraphError
from tests.causal.estimation.tables_of_models import arrows, binary, rows_of
from tests.causal.identification.full_models import FullModel


def back_door(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    z, w = binary(random, 0.4, rows), random.integers(0, 3, rows)
    x = binary(random, 0.2 + 0.3 * z + 0.1 * w)
    return {
        "z": z,
        "w": w,
        "x": x,
        "y": binary(random, 0.1 + 0.2 * x + 0.2 * z + 0.1 * w * (1 + x * z)),
    }


def front_door(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    u = binary(random, 0.5, rows)
    x = binary(random, 0.2 + 0.5 * u)
    m = binary(random, 0.2 + 0.5 * x)
    return {"x": x, "m": m, "y": binary(random, 0.1 + 0.4 * m + 0.3 * u)}


def instrument(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    u, z = random.normal(size=rows), binary(random, 0.5, rows)
    x = (1.6 * z + u + random.normal(size=rows) > 0.8).astype(int)
    return {"z": z, "x": x, "y": 1.5 * x + u + random.normal(size=rows)}


DESIGNS = {
    "back-door": ("z>x z>y w>x w>y x>y", back_door, 0.24),
    "front-door": ("x>m m>y x-y", front_door, 0.2),
    "instrument": ("z>x x>y x-y", instrument, 1.5),
}


SIMULATIONS = 500


@pytest.mark.slow  # 500 simulations: what a coverage to within a percent takes
@pytest.mark.parametrize("kind", ["analytical", "BCa"])
@pytest.mark.parametrize(
    ("design", "by"),
    [
        ("back-door", lambda sample, compared: tables.back_door(sample, compared, ["z", "w"])[0]),
        ("front-door", lambda sample, compared: tables.front_door(sample, compared, ["m"])[0]),
    ],
)
def test_intervals_of_tables_cover_as_often_as_they_say(design: str, by, kind: str):
    model, random = arrows(DESIGNS[design][0]), np.random.default_rng(2)
    full = FullModel.random(model, np.random.default_rng(7))
    means = full.answer(["y"], ["x"], [])[:, 1]
    joint = full.joint()
    sample = read_sample(rows_of(joint, model.nodes), model.nodes)
    compared = contrast(sample.variables, {"y": 1}, {"x": 1}, {"x": 0})
    functional = by(sample, compared)
    settings = IntervalSettings(kind, draws=300, generator=torch.Generator().manual_seed(0))
    drawn = random.multinomial(2000, joint.reshape(-1), SIMULATIONS)
    covered = 0
    for counts in torch.from_numpy(drawn.astype(np.float64)):
        found = estimates(functional, replace(sample, counts=counts), settings)
        covered += found.low[0] <= means[1] - means[0] <= found.high[0]
    assert 0.93 <= covered / SIMULATIONS <= 0.97


@pytest.mark.slow
def test_intervals_of_instruments_cover_as_often_as_they_say():
    text, draw, truth = DESIGNS["instrument"]
    model, random, covered = arrows(text), np.random.default_rng(2), 0
    for _ in range(SIMULATIONS):
        low, high = model.effect("y", "x", data=draw(random, 500)).interval
        covered += low <= truth <= high
    assert 0.93 <= covered / SIMULATIONS <= 0.97


@pytest.mark.parametrize("design", ["back-door", "front-door", "instrument"])
def test_derivative_and_bootstrap_agree(design: str):
    text, draw, _ = DESIGNS[design]
    data, model = draw(np.random.default_rng(0), 600), arrows(text)
    exact = model.effect("y", "x", data=data)
    for kind in ("percentile", "BCa"):
        generator = torch.Generator().manual_seed(1)
        drawn = model.effect("y", "x", data=data, interval=kind, draws=300, generator=generator)
        assert float(drawn) == float(exact)
        assert drawn.standard_error == pytest.approx(exact.standard_error, rel=0.2)
        np.testing.assert_allclose(drawn.interval, exact.interval, atol=exact.standard_error)


def test_the_same_seed_draws_the_same_samples():
    data, model = back_door(np.random.default_rng(0), 500), arrows(DESIGNS["back-door"][0])

    def interval(seed: int) -> tuple[float, float]:
        generator = torch.Generator().manual_seed(seed)
        return model.effect(
            "y", "x", data=data, interval="BCa", draws=200, generator=generator
        ).interval

    assert interval(3) == interval(3) != interval(4)


def test_ten_thousand_rows_take_a_tenth_of_a_second():
    data, model = back_door(np.random.default_rng(0), 10_000), arrows(DESIGNS["back-door"][0])
    frame = pd.DataFrame(data)
    for kind in ("analytical", "BCa"):
        seconds = []
        for _ in range(3):
            start = time.process_time()
            model.effect("y", "x", data=frame, interval=kind)
            seconds.append(time.process_time() - start)
        assert min(seconds) < 0.1


def test_levels_widen_and_settings_are_checked():
    data, model = back_door(np.random.default_rng(0), 500), arrows(DESIGNS["back-door"][0])
    narrow, wide = (model.effect("y", "x", data=data, level=v).interval for v in (0.8, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    with pytest.raises(CausalError, match="level"):
        model.effect("y", "x", data=data, level=95)
    with pytest.raises(CausalError, match="unknown interval 'bca'; did you mean 'BCa'"):
        model.effect("y", "x", data=data, interval="bca")
    with pytest.raises(MmgraphError, match="draws"):
        model.effect("y", "x", data=data, draws=0)
    tiny = {"x": np.array([0, 1]), "y": np.array([0, 1])}
    with pytest.raises(LearningError, match="bootstrap samples"):
        arrows("x>y").effect("y", "x", data=tiny, interval="percentile")


def test_few_groups_and_few_rows_have_wide_intervals_and_few_groups_a_warning():
    random = np.random.default_rng(0)
    x, group = random.normal(size=30), np.repeat([0, 1, 2], 10)
    data = {"x": x, "y": x + random.normal(size=30) + group, "g": group}
    model = arrows("x>y")
    with pytest.warns(FewGroupsWarning, match="3 groups are few"):
        grouped = model.effect("y", "x", data=data, groups="g")
    few = model.effect("y", "x", data={name: column[:6] for name, column in data.items()})
    for effect, free in ((grouped, 2), (few, 4)):
        half = stats.t.ppf(0.975, free) * effect.standard_error
        assert effect.interval[1] - float(effect) == pytest.approx(half)
