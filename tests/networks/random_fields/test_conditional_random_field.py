"""Conditional random fields: their energy, missing sensors, fitting and files."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import mmgraph as mm
from mmgraph.graph.errors import FormatError, GraphError, LearningError, MmgraphError

SCORE, EDGE, CONTRAST = {"optical": 0.8, "radar": -0.3}, 0.25, {"optical": 1.5, "radar": 0.5}
SCALES = {"optical": 0.7, "radar": 1.2}


def crf(**options) -> mm.ConditionalRandomField:
    given = {
        "score_weights": SCORE,
        "edge_weight": EDGE,
        "contrast_weights": CONTRAST,
        "contrast_scales": SCALES,
        **options,
    }
    return mm.ConditionalRandomField(3, ["optical", "radar"], **given)


def image(shape=(3, 4), seed: int = 0):
    generator = np.random.default_rng(seed)
    scores = {s: generator.normal(size=(*shape, 3)) for s in SCORE}
    features = {
        "optical": generator.normal(size=(*shape, 2)),
        "radar": generator.normal(size=shape),
    }
    return scores, features


def brute_force(labels, scores, features, present) -> float:
    """The documented energy, element by element and edge by edge, with 4 neighbours."""
    energy = 0.0
    height, width = labels.shape
    for place in np.ndindex(labels.shape):
        for s, a in SCORE.items():
            if present[s][place]:
                energy -= a * scores[s][(*place, labels[place])]
        for step in ((0, 1), (1, 0)):
            far = (place[0] + step[0], place[1] + step[1])
            if far[0] == height or far[1] == width or labels[place] == labels[far]:
                continue
            energy += EDGE
            for s, b in CONTRAST.items():
                if present[s][place] and present[s][far]:
                    square = np.sum((features[s][place] - features[s][far]) ** 2)
                    energy += b * math.exp(-square / (2 * SCALES[s] ** 2))
    return energy


@pytest.mark.parametrize("how", ["all there", "regions", "NaN", "a whole sensor", "left out"])
def test_the_energy_is_the_documented_one(how):
    scores, features = image()
    present = {s: np.ones((3, 4), bool) for s in SCORE}
    given, seen, missing = dict(scores), dict(features), ()
    if how in ("regions", "NaN"):
        present = {s: np.random.default_rng(3).random((3, 4)) < 0.6 for s in SCORE}
        if how == "regions":
            missing = {s: ~mask for s, mask in present.items()}
        for s, mask in present.items() if how == "NaN" else ():
            given[s] = np.where(mask[..., None], scores[s], np.nan)
            apart = mask if features[s].ndim == 2 else mask[..., None]
            seen[s] = np.where(apart, features[s], np.nan)
    elif how != "all there":
        present["radar"][:] = False
        if how == "left out":
            given.pop("radar"), seen.pop("radar")
        else:
            missing = ["radar"]
    graph = crf().graph(given, seen, missing=missing)
    labels = np.random.default_rng(1).integers(0, 3, (6, 3, 4))
    expected = [brute_force(row, scores, features, present) for row in labels]
    np.testing.assert_allclose(graph.energy({"label": labels}).numpy(), expected, rtol=1e-10)


def test_the_same_on_a_list_of_edges():
    scores, features = image()
    on_grid = crf().graph(scores, features)
    pairs = on_grid.factors[1].edges()
    edges = torch.stack([pairs.first, pairs.second], 1)
    flat = [
        {s: v.reshape(12, *v.shape[2:]) for s, v in part.items()} for part in (scores, features)
    ]
    on_list = crf().graph(*flat, edges=edges)
    labels = torch.randint(0, 3, (5, 12))
    torch.testing.assert_close(
        on_list.energy({"label": labels}), on_grid.energy({"label": labels.reshape(5, 3, 4)})
    )


def test_an_image_of_no_contrast_has_no_scale():
    scores, _ = image()
    flat = {"optical": np.ones((3, 4, 2))}
    field = crf(contrast_scales={}).graph(scores, flat)
    assert field.factors[1].edges().weights.unique().tolist() == [EDGE + CONTRAST["optical"]]


def test_missing_everything_is_refused():
    scores, features = image()
    with pytest.raises(GraphError, match="no sensor has scores"):
        crf().graph(scores, features, missing=["optical", "radar"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": {"opticl": 0}}, "no sensor 'opticl'; did you mean 'optical'"),
        ({"features": {"lidar": 0}}, "no sensor 'lidar'"),
        ({"missing": "rader"}, "did you mean 'radar'"),
        ({"missing": {"radar": np.ones((3, 3), bool)}}, r"truth values of shape \(3, 4\)"),
        ({"missing": {"radar": np.ones((3, 4))}}, "truth values"),
        ({"scores": {"radar": np.zeros((3, 4, 2))}}, "the scores of 'radar' have shape"),
        ({"scores": {"radar": np.full((3, 4, 3), -np.inf)}}, "infinite number; clip"),
        ({"scores": {"radar": "loud"}}, "not an array of numbers"),
        ({"features": {"radar": np.zeros((4, 3))}}, "the features of 'radar' have shape"),
    ],
)
def test_bad_images(change, message):
    scores, features = image()
    given = {"scores": scores, "features": features}
    for key, value in change.items():
        given[key] = {**given[key], **value} if key in given else value
    with pytest.raises(GraphError, match=message):
        crf().graph(**given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sensors": []}, "at least one"),
        ({"sensors": ["a", "a"]}, "none twice"),
        ({"edge_weight": -1.0}, "edge weight -1.0"),
        ({"edge_weight": math.nan}, "edge weight nan"),
        ({"score_weights": {"b": 1.0}}, "no sensor 'b'"),
        ({"score_weights": {"a": math.inf}}, "score weight of 'a' is inf"),
        ({"contrast_weights": {"a": -0.5}}, "contrast weight of 'a' is -0.5"),
        ({"states": 0}, "at least one state"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(GraphError, match=message):
        mm.ConditionalRandomField(**{"states": 3, "sensors": ["a"], **options})


def scene(seed: int = 0, shape=(24, 24), share: float = 0.3) -> tuple[np.ndarray, mm.LabelledImage]:
    """Smooth regions, one sensor that is right in part, and one that says nothing."""
    generator = np.random.default_rng(seed)
    truth = np.argmax([gaussian_filter(generator.normal(size=shape), 3) for _ in range(3)], 0)
    chance = 0.3 * np.eye(3)[truth] + 0.7 * generator.dirichlet(np.ones(3), shape)
    scores = {"optical": np.log(chance.clip(1e-6)), "radar": generator.normal(size=(*shape, 3))}
    features = {"optical": truth + 0.6 * generator.normal(size=shape)}
    labels = np.where(generator.random(shape) < share, truth, -1)
    return truth, mm.LabelledImage(scores, labels, features)


@pytest.mark.parametrize(
    "method", ["piecewise", "pseudo_likelihood", "maximum_likelihood", "marginal_likelihood"]
)
def test_fitted_it_labels_better_than_its_sensors(method):
    _, example = scene()
    field = mm.ConditionalRandomField(3, ["optical", "radar"], neighbours=8)
    seen: list[float] = []
    field.fit(
        example, method, iterations=15, updates=8, folds=3,
        generator=torch.Generator().manual_seed(0), progress=lambda _, loss: seen.append(loss),
    )  # fmt: skip
    assert abs(field.score_weights["radar"]) < 0.5 * field.score_weights["optical"]
    assert field.edge_weight >= 0
    assert min(field.contrast_weights.values()) >= 0
    assert field.contrast_scales["optical"] > 0
    assert field.fit_report.method == method
    assert set(field.fit_report.losses) <= set(seen)
    new, unseen = scene(seed=1)
    found = field.predict_proba(unseen.scores, unseen.features, method="mean_field").argmax(-1)
    alone = unseen.scores["optical"].argmax(-1)
    assert (found == new).mean() > (alone == new).mean() + 0.1


def test_folds_have_scores_of_their_own():
    _, example = scene(shape=(8, 8))
    folds = np.arange(64).reshape(8, 8) % 2
    worse = {s: np.zeros_like(v) for s, v in example.scores.items()}
    by_fold = mm.LabelledImage(
        example.scores, example.labels, example.features, folds=folds, fold_scores=[worse, worse]
    )
    field = mm.ConditionalRandomField(3, ["optical", "radar"])
    field.fit(by_fold, "marginal_likelihood", iterations=5, strength=0.0, clamp=False)
    # Scores that say nothing in every fold leave each label its share of the states.
    assert field.fit_report.losses[-1] == pytest.approx(math.log(3), abs=1e-6)
    with pytest.raises(LearningError, match="need the folds"):
        field.fit(
            mm.LabelledImage(example.scores, example.labels, fold_scores=[worse]),
            "marginal_likelihood",
        )
    short = mm.LabelledImage(example.scores, example.labels, folds=folds, fold_scores=[worse])
    with pytest.raises(LearningError, match="fold 1 has no scores"):
        field.fit(short, "marginal_likelihood")
    folds = np.where(np.indices((8, 8)).sum(0) == 0, -1, folds)
    labels = np.where(np.indices((8, 8)).sum(0) == 0, 1, example.labels)
    loose = mm.LabelledImage(example.scores, labels, folds=folds, fold_scores=[worse, worse])
    with pytest.raises(LearningError, match=r"\(0, 0\) of 'label' is labelled, but its fold is -1"):
        field.fit(loose, "marginal_likelihood")


def test_known_labels_are_kept():
    truth, example = scene(shape=(6, 6))
    field = mm.ConditionalRandomField(3, ["optical", "radar"])
    known = np.where(np.arange(36).reshape(6, 6) % 3 == 0, (truth + 1) % 3, -1)
    found = field.predict(example.scores, example.features, labels=known[None])
    assert (found[known >= 0] == known[known >= 0]).all()


def test_what_cannot_be_fitted():
    _, example = scene(shape=(6, 6))
    field = mm.ConditionalRandomField(3, ["optical", "radar"])

    def labelled(labels):
        return mm.LabelledImage(example.scores, labels, example.features)

    with pytest.raises(LearningError, match="no element is labelled"):
        field.fit(labelled(np.full((6, 6), -1)))
    with pytest.raises(LearningError, match="labels of shape"):
        field.fit(labelled(np.zeros((6, 5))))
    with pytest.raises(LearningError, match="outside -1 … 2"):
        field.fit(labelled(np.full((6, 6), 3)))
    with pytest.raises(LearningError, match="did you mean 'piecewise'"):
        field.fit(example, "piecewize")
    with pytest.raises(LearningError, match="unknown inference"):
        field.fit(example, inference="magic")
    with pytest.raises(LearningError, match="must be at least 1"):
        field.fit(example, rounds=0)
    with pytest.raises(LearningError, match="strength"):
        field.fit(example, strength=-1.0)
    with pytest.raises(LearningError, match="100 folds of"):
        field.fit(example, "marginal_likelihood", folds=100)


@pytest.mark.parametrize(
    ("interaction", "neighbours"),
    [(None, 8), (mm.TruncatedQuadratic(2.5), [(0, 1), (2, -1)]), (mm.TruncatedLinear(), None),
     ([[0.0, 1.0, 2.0], [1.0, 0.0, 1.0], [0.5, 0.25, 0.0]], 4)],
)  # fmt: skip
def test_written_and_read_it_is_the_same(tmp_path, interaction, neighbours):
    field = crf(interaction=interaction, neighbours=neighbours, name="class")
    mm.write(field, tmp_path / "field.mmgraph")
    again = mm.read(tmp_path / "field.mmgraph")
    assert torch.equal(again.parameters, field.parameters)
    assert again.contrast_scales == field.contrast_scales
    assert again.sensors == field.sensors
    labels = torch.randint(0, 3, (5, 3, 4))
    first, second = (f.graph(*image()).energy({"class": labels}) for f in (field, again))
    assert torch.equal(first, second)
    mm.write(field, tmp_path / "field.mmgraph")
    assert [p.name for p in tmp_path.iterdir()] == ["field.mmgraph"]


def test_labels_are_kept_in_files(tmp_path):
    named = mm.ConditionalRandomField(("sea", "land", "ice"), ["optical", "radar"])
    mm.write(named, tmp_path / "x.mmgraph")
    assert mm.read(tmp_path / "x.mmgraph").states == ("sea", "land", "ice")


def test_files_of_another_kind(tmp_path):
    mm.write(crf(), tmp_path / "field.mmgraph")
    with pytest.raises(MmgraphError, match="asks a model, not ConditionalRandomField"):
        mm.query(mm.read(tmp_path / "field.mmgraph"))
    with pytest.raises(FormatError, match=r"is written to \.mmgraph"):
        mm.write(crf(), tmp_path / "field.uai")
    mm.write(mm.MarkovRandomField.grid(shape=(2, 2), states=2), tmp_path / "grid.mmgraph")
    assert type(mm.read(tmp_path / "grid.mmgraph")) is mm.MarkovRandomField


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"edge_weight": 0.25', '"edge_weight": "heavy"', "number in 'edge_weight'"),
        ('"edge_weight": 0.25', '"edge_weight": -1', "edge weight -1"),
        ('"radar": -0.3', '"radar": true', "number in 'score_weights'"),
        ('"radar": -0.3', '"rader": 1', "no sensor 'rader'"),
        ('"neighbours": null', '"neighbours": [4]', "expected an offset"),
        ('"Potts"', '"Pots"', "'Pots' is not known"),
        ('"interaction": "Potts"', '"interaction": "table"', "expected the parameter energies"),
        ('"sensors"', '"senors"', "at least one is needed"),
    ],
)
def test_damaged_files(tmp_path, old, new, message):
    mm.write(crf(), tmp_path / "field.mmgraph")
    file = tmp_path / "field.mmgraph" / "network.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(FormatError, match=message):
        mm.read(tmp_path / "field.mmgraph")
