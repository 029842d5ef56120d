"""Which pixels are held out, where the search looks, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.factors.grid import neighbourhood
from mmgraph.spatial.annotations.strokes import pieces
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
from mmgraph.spatial.weight_search import mean_and_error, search_edge_weight, search_weights


def test_patches_are_held_out_together():
    squares = np.zeros((30, 30), int)
    squares[::6, ::6] = squares[1::6, ::6] = squares[::6, 1::6] = squares[1::6, 1::6] = 1
    places = np.argwhere(squares)
    codes = np.zeros(len(places), int)
    fold = spatial_folds(codes, pieces(places, codes), 2)
    number = (places[:, 0] // 6) * 5 + places[:, 1] // 6
    assert all(len(set(fold[number == n])) == 1 for n in range(25))
    assert np.bincount(fold).min() >= 40


def test_scattered_pixels_are_dealt_out_one_by_one():
    codes = np.zeros(25, int)
    assert sorted(np.bincount(spatial_folds(codes, np.arange(25), 3))) == [8, 8, 9]


def test_whole_strokes_are_held_out_and_the_only_one_of_a_class_stays():
    drawing = np.full((12, 60), -1)
    drawing[1, :50], drawing[3, :20], drawing[5, 10:35], drawing[7, :9] = 0, 0, 0, 0
    drawing[10, :40] = 1
    places, codes = np.argwhere(drawing >= 0), drawing[drawing >= 0]
    fold = spatial_folds(codes, pieces(places, codes))
    by_row = {row: set(fold[places[:, 0] == row].tolist()) for row in (1, 3, 5, 7, 10)}
    assert by_row == {1: {0}, 5: {1}, 3: {2}, 7: {2}, 10: {-1}}


def test_an_only_pixel_is_never_held_out():
    fold = spatial_folds(np.array([0, 1, 1]), np.arange(3))
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
        mm.Potts(),
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


def test_strokes_choose_the_edges_among_a_few_and_never_none():
    part = noisy_part()
    row, column = np.divmod(part.places[0], 16)
    stroke = HeldOut(part.models, part.places, part.codes, [(row // 4) * 4 + column // 4])
    assert search_edge_weight([stroke], {"good": 0.25, "noise": 0.0}).edge in (1.0, 2.0, 4.0)
    one = HeldOut(part.models, part.places, part.codes, [np.zeros(len(row), int)])
    found = search_edge_weight([one], {"good": 0.25, "noise": 0.0})
    assert found.edge == 1.0  # one stroke proves nothing
    assert found.sensors == {"good": 0.25, "noise": 0.0}


def test_labels_that_are_kept_speak_to_the_held_out_ones():
    part = noisy_part(noise=3.0)
    truth = (np.arange(256) % 16 >= 8).astype(int)
    others = np.setdiff1d(np.arange(256), part.places[0])
    helped = HeldOut(part.models, part.places, part.codes, [], [(others, truth[others])])
    weights = {"good": 0.25, "noise": 0.0}
    assert log_loss(*held_out_marginals([helped], weights, 1.0)) < 0.2
    assert log_loss(*held_out_marginals([part], weights, 1.0)) > 0.3
    said = part.models[0].log_likelihoods["good"].copy()
    np.testing.assert_array_equal(said, part.models[0].log_likelihoods["good"])


def test_the_error_of_a_mean_counts_pieces():
    values = np.random.default_rng(0).normal(size=500)
    mean, error = mean_and_error(values, np.arange(500))
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(500), rel=0.01)
    copies, piece = np.repeat(values, 7), np.repeat(np.arange(500), 7)
    assert mean_and_error(copies, piece) == pytest.approx((mean, error))
    assert mean_and_error(values, np.zeros(500, int))[1] == np.inf
    # Of two pieces the error of the mean is half their distance, and Student's t makes it 1.84.
    assert mean_and_error(np.array([0.0, 1.0]), np.arange(2))[1] == pytest.approx(
        0.5 * 1.837, rel=1e-3
    )
