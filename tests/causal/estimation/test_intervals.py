"""Standard errors and intervals: derivative and bootstrap agree, and cover as often as they say."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import torch

from mmgraph.graph.errors import CausalError, LearningError, MmgraphError
from tests.causal.estimation.tables_of_models import arrows, binary


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


@pytest.mark.slow  # 500 simulations a design: what a coverage to within a percent takes
@pytest.mark.parametrize("design", DESIGNS)
def test_intervals_cover_as_often_as_they_say(design: str):
    text, draw, truth = DESIGNS[design]
    model, random = arrows(text), np.random.default_rng(2)
    kinds = ["analytical"] if design == "instrument" else ["analytical", "BCa"]
    for kind in kinds:
        covered = 0
        for _ in range(500):
            effect = model.effect("y", "x", data=draw(random, 1000), interval=kind, draws=300)
            covered += effect.interval[0] <= truth <= effect.interval[1]
        assert 0.93 <= covered / 500 <= 0.97, kind


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
