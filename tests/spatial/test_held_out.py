"""Which pixels are held out, where the search looks, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.graph.grid_factor import neighbourhood
from mmgraph.graph.interaction import Potts
from mmgraph.spatial.edges import plain_weights
from mmgraph.spatial.held_out import (
    HeldOut,
    held_out_marginals,
    search_windows,
    spatial_folds,
    start_weights,
)
from mmgraph.spatial.pixel_model import PixelModel
from mmgraph.spatial.temperature import log_loss, tempered
from mmgraph.spatial.weight_search import search_weights


def test_patches_are_held_out_together():
    squares = np.zeros((30, 30), int)
    squares[::6, ::6] = squares[1::6, ::6] = squares[::6, 1::6] = squares[1::6, 1::6] = 1
    places = np.argwhere(squares)
    fold = spatial_folds(places, np.zeros(len(places), int), 2)
    number = (places[:, 0] // 6) * 5 + places[:, 1] // 6
    assert all(len(set(fold[number == n])) == 1 for n in range(25))
    assert np.bincount(fold).min() >= 40


def test_scattered_pixels_are_dealt_out_one_by_one():
    places = np.argwhere(np.ones((5, 5), int)) * 3
    assert sorted(np.bincount(spatial_folds(places, np.zeros(25, int), 3))) == [8, 8, 9]


def test_a_long_stroke_is_cut_into_stretches():
    places = np.column_stack([np.zeros(60, int), np.arange(60)])
    fold = spatial_folds(places, np.zeros(60, int), 3)
    assert (np.diff(fold) != 0).sum() == 11
    assert np.bincount(fold).tolist() == [20, 20, 20]


def test_an_only_pixel_is_never_held_out():
    fold = spatial_folds(np.array([[0, 0], [3, 3], [5, 5]]), np.array([0, 1, 1]))
    assert fold[0] == -1
    assert len(set(fold[1:])) == 2


def test_the_search_looks_at_all_of_a_small_image_and_at_labels_of_a_large_one():
    labelled = np.array([[700, 40], [701, 41], [5, 900]])
    assert search_windows(labelled, (100, 50), 3) == [(slice(0, 100), slice(0, 50))]
    windows = search_windows(labelled, (1000, 1000), 3)
    assert len(windows) == 2
    rows, columns = windows[0]
    assert rows.start <= 700 < 701 < rows.stop
    assert columns.start <= 40 < 41 < columns.stop


def noisy_part(noise: float = 1.0, side: int = 16) -> HeldOut:
    """Two halves, seen by a sensor that is overconfident by a factor of four, and by noise."""
    random = np.random.default_rng(0)
    truth = (np.arange(side) >= side // 2)[None].repeat(side, 0).astype(int)
    seen = truth + random.normal(0, noise, truth.shape)
    good = 4 * -0.5 * (seen[..., None] - np.arange(2)) ** 2 / noise**2
    model = PixelModel(
        ("left", "right"),
        np.zeros(2),
        {"good": good, "noise": random.normal(0, 2.0, (side, side, 2))},
        plain_weights((side, side), 4),
        neighbourhood(2, 4),
        Potts(),
    )
    places = random.permutation(side**2)[: side**2 // 3]
    return HeldOut([model], [places], [truth.reshape(-1)[places]])


def test_powers_without_neighbours_undo_overconfidence():
    weights = start_weights([noisy_part(side=50)], ["good", "noise"])
    assert 0.1 < weights["good"] < 0.5
    assert weights["noise"] < 0.5 * weights["good"]


def test_the_search_finds_that_neighbours_help():
    part = noisy_part()
    start = start_weights([part], ["good", "noise"])
    before = log_loss(*held_out_marginals([part], start, 0.0))
    steps = []
    found = search_weights(
        [part], start, 1.0, ["good", None], lambda text, done, total: steps.append(done)
    )
    assert found.edge > 0.2
    assert found.log_loss is not None
    assert found.log_loss < before - 0.1
    assert found.sensors["noise"] == start["noise"]
    marginals, codes = held_out_marginals([part], found.sensors, found.edge)
    assert found.log_loss == pytest.approx(log_loss(tempered(marginals, found.temperature), codes))
    assert found.log_loss <= log_loss(marginals, codes)
    assert steps == list(range(1, len(steps) + 1))


def test_the_search_gives_neighbours_up_where_they_mislead():
    part = noisy_part(noise=0.3)
    checkered = np.indices((16, 16)).sum(0) % 2
    model = part.models[0]
    opposite = 3.0 * np.stack([1 - checkered, checkered], -1)
    model.log_likelihoods["good"][:] = opposite
    places = part.places[0]
    part = HeldOut([model], [places], [checkered.reshape(-1)[places]])
    found = search_weights([part], {"good": 1.0, "noise": 0.0}, 1.0, [None])
    assert found.edge <= 1 / 16


def test_plain_weights_stay_where_nothing_is_certainly_better():
    part = noisy_part()
    few = HeldOut(part.models, [part.places[0][:2]], [part.codes[0][:2]])
    found = search_weights([few], {"good": 0.2, "noise": 0.1}, 1.0, ["good", "noise", None])
    assert found.sensors == {"good": 1.0, "noise": 1.0}
    assert found.edge == 1.0
