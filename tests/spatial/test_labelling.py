"""Labelling images and volumes: right, honest about its bound, and at ease with gaps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError, MmgraphError
from mmgraph.inference.methods import METHODS
from mmgraph.spatial.annotations.annotations import Annotations
from mmgraph.spatial.labelling import (
    MARGINAL_METHODS,
    FullyLabelledWarning,
    LabellingWarning,
    label_image,
)
from mmgraph.spatial.temperature import log_loss, tempered
from mmgraph.spatial.unaries import GaussianMixtureUnary
from tests.spatial.scenes import CLASSES, FIXED, scene


def test_neighbours_mend_noise_and_the_bound_is_tight():
    truth, sensors, labels = scene()
    found = label_image(sensors, labels, classes=CLASSES, **FIXED)
    alone = label_image(sensors, labels, classes=CLASSES, **(FIXED | {"edge_weight": 0.0}))
    assert (found.labels == truth).mean() > 0.93
    assert (found.labels == truth).mean() > (alone.labels == truth).mean() + 0.03
    np.testing.assert_array_equal(found.labels[labels >= 0], labels[labels >= 0])
    assert found.energy == pytest.approx(
        float(found.graph.energy({"label": found.labels})[0]), rel=1e-6
    )
    assert found.lower_bound is not None
    assert found.lower_bound <= found.energy + 1e-6
    assert found.gap == pytest.approx(found.energy - found.lower_bound)
    assert found.marginals.shape == (14, 18, 3)
    assert found.marginals.sum(-1) == pytest.approx(1.0)
    assert (found.uncertainty[labels >= 0] < 1e-6).all()
    assert found.relative_uncertainty.max() <= 1.0
    assert found.edge_weights.shape == (4, 14, 18)
    assert found.classes == CLASSES
    assert found.warnings == ()
    assert "14 x 18 pixels, 3 classes, trws" in repr(found)


def test_marginals_are_those_of_the_graph():
    _, sensors, labels = scene((2, 5), each=1)
    found = label_image(sensors, labels, **FIXED, neighbours=4, marginal_method="enumeration")
    exact = mm.query(found.graph, {"label": labels}, method="enumeration")
    np.testing.assert_allclose(found.marginals, exact.marginal("label")[0].numpy())
    best = mm.map_query(found.graph, {"label": labels}, method="enumeration")
    np.testing.assert_array_equal(found.labels, best["label"][0].numpy())


def test_weights_are_learned_and_seeded():
    truth, sensors, labels = scene((12, 12))
    told: list[str] = []
    generator = torch.Generator().manual_seed(3)
    found = label_image(
        sensors, labels, method="trws", generator=generator, progress=lambda t, *_: told.append(t)
    )
    assert set(found.sensor_weights) == {"optical", "radar"}
    assert found.edge_weight > 0
    assert found.log_loss is not None
    assert found.log_loss < np.log(3)
    assert (found.labels == truth).mean() > 0.85
    assert {"learning from radar", "choosing the weights", "marginals"} <= set(told)
    again = label_image(sensors, labels, method="trws", generator=torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(again.labels, found.labels)
    assert again.sensor_weights == found.sensor_weights


def test_a_cloud_hides_one_sensor_and_the_rest_speaks():
    truth, sensors, labels = scene()
    optical = sensors["optical"].copy()
    optical[3:7, 4:9] = np.nan
    stripe = np.zeros(truth.shape, bool)
    stripe[:, 12] = True
    with (
        pytest.warns(LabellingWarning, match="'optical' does not see 20 of 252 pixels"),
        pytest.warns(LabellingWarning, match="'radar' does not see 14 of 252 pixels"),
    ):
        found = label_image(
            {"optical": optical, "radar": sensors["radar"]},
            labels,
            missing={"radar": stripe},
            **FIXED,
        )
    assert found.missing == {"optical": 20, "radar": 14}
    assert len(found.warnings) == 2
    assert np.isfinite(found.marginals).all()
    assert (found.labels == truth).mean() > 0.9


def test_a_sensor_that_sees_nothing_is_left_out():
    _, sensors, labels = scene()
    blind = {**sensors, "radar": np.full(labels.shape, np.nan)}
    with pytest.warns(LabellingWarning, match="'radar' sees no pixel"):
        found = label_image(blind, labels, **FIXED)
    alone = label_image({"optical": sensors["optical"]}, labels, **FIXED)
    np.testing.assert_array_equal(found.labels, alone.labels)
    np.testing.assert_allclose(found.edge_weights, alone.edge_weights)
    with pytest.warns(LabellingWarning, match="sees no pixel"):
        nothing = label_image(np.full(labels.shape, np.nan), labels, **FIXED)
    np.testing.assert_array_equal(nothing.labels[labels >= 0], labels[labels >= 0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (1, 1, 1), (2, 1, 3)])
def test_small_shapes(shape: tuple[int, ...]):
    labels = np.full(shape, -1)
    labels.reshape(-1)[0] = 1
    said = np.full((*shape, 2), [0.5, 0.5])
    options = {"classes": ("a", "b"), "unaries": said, **FIXED}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FullyLabelledWarning)
        found = label_image(np.ones((*shape, 2)), labels, **options)
    assert (found.labels == 1).all()
    assert found.marginals.sum(-1) == pytest.approx(np.ones(shape))


def test_one_row_of_two_classes_with_learned_weights():
    labels = np.full((1, 12), -1)
    labels[0, [0, 2, 4]], labels[0, [7, 9, 11]] = 0, 1
    image = (np.arange(12) > 5) * 1.0 + np.random.default_rng(0).normal(0, 0.1, 12)
    found = label_image(image[None], labels, method="trws")
    np.testing.assert_array_equal(found.labels[0], np.arange(12) > 5)


def test_a_volume():
    truth, sensors, labels = scene((3, 8, 9), each=8)
    found = label_image(sensors, labels, **FIXED)
    assert found.labels.shape == (3, 8, 9)
    assert found.edge_weights.shape == (3, 3, 8, 9)
    assert (found.labels == truth).mean() > 0.85


def test_thick_slices_hold_together_less():
    _, sensors, labels = scene((3, 6, 9), each=6)
    even = label_image(sensors, labels, **FIXED)
    thick = label_image(sensors, labels, **FIXED, spacing=(5, 1, 1))
    across = 2  # the offset (1, 0, 0) among six neighbours comes last
    np.testing.assert_allclose(thick.edge_weights[across], even.edge_weights[across] / 5)
    np.testing.assert_array_equal(thick.edge_weights[:across], even.edge_weights[:across])
    plain = label_image(sensors, labels, **FIXED, spacing=(5, 1, 1), edge_sensors=())
    assert set(np.unique(plain.edge_weights[across])) == {0.0, 0.2}
    # A labelled pixel convinces its neighbours, but not those that lie five times as far.
    optical = np.zeros((3, 1, 3))
    optical[1], labels = 1.0, np.full((3, 1, 3), -1)
    labels[0, 0, 0], labels[1, 0, 0] = 0, 1
    likelihood = np.full((3, 1, 3, 2), 0.5)
    likelihood[0, ..., 0] = likelihood[2, ..., 0] = 0.6
    likelihood[..., 1] = 1 - likelihood[..., 0]
    fixed = {"unaries": likelihood, "sensor_weights": 1.0, "edge_weight": 1.0, "edge_sensors": ()}
    by_spacing = [
        label_image(optical, labels, **fixed, spacing=spacing, prior="even", method="trws")
        for spacing in ((5, 1, 1), (1, 1, 5))
    ]
    assert by_spacing[0].labels[:, 0, 2].tolist() == [0, 1, 0]
    assert by_spacing[1].labels[2, 0].tolist() == [1, 0, 0]
    bad("the spacing must be 2 positive numbers", spacing=(5, 1, 1))


def test_pixels_that_are_not_clamped_may_change():
    truth, sensors, labels = scene()
    wrong = labels.copy()
    place = tuple(np.argwhere(labels == 0)[0])
    wrong[place] = 2
    assert label_image(sensors, wrong, **FIXED).labels[place] == 2
    loose = label_image(sensors, wrong, clamp=False, **(FIXED | {"edge_weight": 3.0}))
    assert loose.labels[place] == truth[place]


def test_labels_by_marginals():
    truth, sensors, labels = scene()
    found = label_image(sensors, labels, **(FIXED | {"method": "belief_propagation"}))
    np.testing.assert_array_equal(found.labels, found.marginals.argmax(-1))
    assert found.method == found.marginal_method == "belief_propagation"
    assert found.lower_bound is None
    assert (found.labels == truth).mean() > 0.9


def test_a_ready_opinion_needs_no_annotations():
    probabilities = np.full((4, 4, 2), 0.5)
    probabilities[:, 2:] = 0.1, 0.9
    given = {"classes": ("a", "b"), "unaries": probabilities, "prior": [0.6, 0.4]}
    found = label_image(np.zeros((4, 4)), **given, **(FIXED | {"edge_weight": 0.05}))
    np.testing.assert_array_equal(found.labels, np.arange(4)[None].repeat(4, 0) >= 2)
    with pytest.warns(LabellingWarning, match="weights are one where not given"):
        label_image(np.zeros((4, 4)), **given, method="trws")


def test_the_prior_counts_once():
    image = np.zeros((1, 2))
    even = np.full((1, 2, 2), 0.5)
    options = {"classes": ("a", "b"), "unaries": even, **(FIXED | {"edge_weight": 0.0})}
    found = label_image({"x": image, "y": image}, prior=[0.8, 0.2], **options)
    assert found.marginals[0, 0] == pytest.approx([0.8, 0.2])
    labels = [[0, -1]]
    counted = label_image(image, labels, **options)
    assert counted.marginals[0, 1] == pytest.approx([2 / 3, 1 / 3])
    drawn = label_image(image, prior=np.array([0.8, 0.2]), **options)
    assert drawn.marginals[0, 0] == pytest.approx([0.8, 0.2])
    for prior in ([1.0], [0.0, 1.0], "evn", ["a", "b"], np.ones((2, 2)), [[1.0], [1.0, 2.0]]):
        with pytest.raises(MmgraphError, match="prior"):
            label_image(image, labels, prior=prior, **options)


def bad(match: str, error: type[Exception] = MmgraphError, **changed) -> None:
    _, sensors, labels = scene()
    arguments = {"sensors": sensors, "annotations": labels, **FIXED, **changed}
    with pytest.raises(error, match=match):
        label_image(**arguments)


def test_bad_input_is_named():
    truth, sensors, labels = scene()
    bad(
        r"sensor 'optical' 14 x 18, sensor 'radar' 3 x 4",
        sensors={**sensors, "radar": np.ones((3, 4))},
    )
    bad("annotations 2 x 2", annotations=np.zeros((2, 2), int))
    bad("no pixel is labelled as 'sand'", LearningError, classes=(*CLASSES, "sand"))
    bad("no pixel is labelled, and no classes", annotations=np.full_like(labels, -1))
    bad("there is no sensor", sensors={})
    bad("classes must be given", annotations=None)
    bad("sensor 'radar' has the shape", sensors={"radar": np.ones(4)})
    bad("not real numbers", sensors={"radar": np.array([["a"]])})
    bad("did you mean 'trws'", method="trw")
    bad("did you mean 'mean_field'", marginal_method="meanfield")
    bad("knows no method 'graph_cut'", marginal_method="graph_cut")
    bad("no sensor.* 'radr'; did you mean 'radar'", missing={"radr": labels > 0})
    bad("no sensor is called 'radr'", edge_sensors=["radr"])
    bad("no sensor is called 'radr'", sensor_weights={"radr": 1.0})
    bad("weight of sensor 'radar'.* not -1", sensor_weights={"radar": -1})
    bad("weight of sensor 'optical'.* not -1", sensor_weights=-1)
    bad("weight of the edges .* not nan", edge_weight=float("nan"))
    bad("did you mean 'learn'", edge_weight="lern")
    bad("did you mean 'learn'", sensor_weights="lern")
    bad("5 neighbours", neighbours=5)
    bad("the mask of sensor 'radar'", missing={"radar": np.zeros((2, 2))})
    bad("did you mean 'cross_validation'", learning="crossvalidation")
    bad("did you mean 'svm'", unaries="svn")
    assert truth.shape == labels.shape


@pytest.mark.filterwarnings("ignore:.*does not see:mmgraph.spatial.labelling.LabellingWarning")
def test_a_sensor_without_a_labelled_pixel_of_a_class_speaks_of_the_others():
    truth, sensors, labels = scene()
    hidden = labels == 2
    with pytest.warns(LabellingWarning, match="'radar' sees no labelled pixel of '2'; it speaks"):
        found = label_image(sensors, labels, missing={"radar": hidden}, **FIXED)
    assert (found.labels == truth).mean() > 0.85
    assert (found.labels == 2)[truth == 2].mean() > 0.7
    options = {"missing": {"radar": labels > 0}, "edge_sensors": (), **FIXED}
    with pytest.warns(LabellingWarning, match="no labelled pixel of '1', '2'; it is left out"):
        found = label_image(sensors, labels, **options)
    alone = label_image({"optical": sensors["optical"]}, labels, edge_sensors=(), **FIXED)
    np.testing.assert_array_equal(found.labels, alone.labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabellingWarning)
        learned = label_image(sensors, labels, missing={"radar": hidden}, method="icm")
    assert (learned.labels == truth).mean() > 0.85


def test_edge_sensors_and_annotations_records():
    _, sensors, labels = scene()
    record = Annotations.of(labels, CLASSES)
    found = label_image(sensors, record, edge_sensors=(), **FIXED)
    assert set(np.unique(found.edge_weights).round(4)) == {0.0, 0.7071, 1.0}
    unaries = {"optical": GaussianMixtureUnary(components=1)}
    half = label_image(sensors, record, edge_sensors={"radar": 2.0}, unaries=unaries, **FIXED)
    radar = label_image(sensors, record, edge_sensors=["radar"], unaries=unaries, **FIXED)
    np.testing.assert_allclose(half.edge_weights, radar.edge_weights)


@pytest.mark.parametrize("method", [m for m in MARGINAL_METHODS if METHODS[m].seeded])
def test_the_same_seed_gives_the_same_samples(method: str):
    _, sensors, labels = scene((5, 6), each=3)

    def marginals(seed: int, **options) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LabellingWarning)
            found = label_image(sensors, labels, generator=generator, **(FIXED | options))
        return found.marginals

    once, again = (marginals(1, method=method) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, marginals(2, method=method))
    np.testing.assert_array_equal(marginals(1, marginal_method=method), once)


def test_sensors_whose_weight_is_not_given_are_learned():
    _, sensors, labels = scene((12, 12))
    doubled = {**sensors, "copy": sensors["optical"]}
    given = {"edge_weight": 1.0, "method": "trws"}
    learned = label_image(doubled, labels, sensor_weights={"optical": 1.0}, **given)
    assert learned.sensor_weights["optical"] == 1.0
    assert learned.sensor_weights["copy"] < 0.7  # what it says has been said
    assert learned.sensor_weights["radar"] != 1.0
    assert learned.log_loss is not None
    fixed = label_image(doubled, labels, sensor_weights=0.5, **given)
    assert fixed.sensor_weights == dict.fromkeys(doubled, 0.5)
    assert fixed.log_loss is None
    assert fixed.temperature == 1.0


def test_methods_that_cannot_label_are_refused_before_anything_is_learned():
    told: list[str] = []
    for method in ("torch", "trw", "nuts", "svi"):
        bad(f"knows no method '{method}'", method=method, progress=lambda t, *_: told.append(t))
    assert told == []


def test_a_blind_sensor_beside_a_large_image():
    truth, sensors, labels = scene((230, 230), each=12)
    blind = {**sensors, "radar": np.full(truth.shape, np.nan)}
    assert truth.size * 3 > 1 << 17  # the search looks at windows
    with pytest.warns(LabellingWarning, match="'radar' sees no pixel"):
        found = label_image(blind, labels, method="icm")
    assert found.sensor_weights["radar"] == 1.0
    assert found.log_loss is not None
    assert (found.labels == truth).mean() > 0.9


def disc_and_half_plane(seed: int):
    """Three classes under much noise, 3 % labelled at random, a cloud over a third of `optical`."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[:60, :80]
    truth = (column > 40).astype(int)
    truth[(row - 30) ** 2 + (column - 80 / 3) ** 2 < 14**2] = 2
    level = np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 1.0]][seed % 2])
    radar = level[truth] + random.normal(0, 0.8, truth.shape)
    optical = np.array([[0.2, 0.4, 0.6], [0.5, 0.4, 0.3], [0.4, 0.8, 0.3]])[truth]
    optical += random.normal(0, 0.8 / 3, optical.shape)
    optical[:, :26] = np.nan
    labels = np.where(random.random(truth.shape) < 0.03, truth, -1)
    return truth, {"radar": radar, "optical": optical}, labels


@pytest.mark.filterwarnings("ignore::mmgraph.spatial.labelling.LabellingWarning")
@pytest.mark.parametrize(
    ("seed", "names"), [(0, ["radar", "optical"]), (1, ["radar", "optical"]), (2, ["radar"])]
)
def test_learned_weights_label_at_least_as_well_as_plain_ones(seed: int, names: list[str]):
    truth, sensors, labels = disc_and_half_plane(seed)
    sensors = {name: sensors[name] for name in names}
    learned = label_image(sensors, labels, method="trws")
    plain = label_image(sensors, labels, **FIXED)
    accuracy = [float((found.labels == truth).mean()) for found in (learned, plain)]
    assert accuracy[0] >= accuracy[1] - 0.003


@pytest.mark.filterwarnings("ignore::mmgraph.spatial.labelling.LabellingWarning")
@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.parametrize("method", ["trws", "belief_propagation"])
def test_a_temperature_makes_marginals_less_sure_and_less_wrong(seed: int, method: str):
    truth, sensors, labels = disc_and_half_plane(seed)
    found = label_image(sensors, labels, method=method)
    posterior = mm.query(found.graph, {"label": labels}, "label", method="belief_propagation")
    raw = posterior.marginal("label")[0].double().numpy()
    free = labels < 0
    assert found.temperature > 1.5
    losses = [log_loss(marginals[free], truth[free]) for marginals in (found.marginals, raw)]
    assert losses[0] < losses[1] - 0.1
    np.testing.assert_allclose(found.marginals[free], tempered(raw[free], found.temperature))
    np.testing.assert_array_equal(found.marginals[~free], raw[~free])
    entropy = -(raw * np.log(np.where(raw > 0, raw, 1.0))).sum(-1)
    assert (found.uncertainty[free] >= entropy[free] - 1e-9).all()
    if method == "belief_propagation":
        np.testing.assert_array_equal(found.labels, raw.argmax(-1))


@pytest.mark.filterwarnings("ignore::mmgraph.spatial.labelling.LabellingWarning")
def test_a_labelled_pixel_is_tempered_where_it_is_not_clamped():
    _, sensors, labels = disc_and_half_plane(0)
    found = label_image(sensors, labels, method="icm", clamp=False)
    raw = mm.query(found.graph, None, "label", method="belief_propagation").marginal("label")[0]
    expected = tempered(raw.double().numpy(), found.temperature)
    assert found.temperature > 1.0
    np.testing.assert_allclose(found.marginals, expected)


def test_a_class_that_no_unlabelled_pixel_gets_is_told_of():
    labels = np.full((6, 6), -1)
    labels[0, :3], labels[3, 3] = 0, 1
    likelihoods = np.broadcast_to(np.array([0.0, -3.0]), (6, 6, 2))
    with pytest.warns(LabellingWarning, match="class 'town' was given to no pixel beyond"):
        label_image(
            np.zeros((6, 6)), labels, classes=("water", "town"), unaries=likelihoods, **FIXED
        )
