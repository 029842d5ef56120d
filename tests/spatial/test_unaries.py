"""What sensors say of pixels: right where classes are apart, silent where missing, never -inf."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmgraph.graph.errors import LearningError
from mmgraph.spatial.classifiers import ClassifierUnary, as_unary
from mmgraph.spatial.unaries import (
    FLOOR,
    ArrayUnary,
    GaussianMixtureUnary,
    ModuleUnary,
    PartialUnary,
    SilentUnary,
    Unary,
    floored,
)

CLASSES = ("water", "woods", "town")


def scene(bands: int = 3, seed: int = 0):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, (12, 10))
    return codes, codes[..., None] * 2.0 + random.normal(0, 0.5, (12, 10, bands))


@pytest.mark.parametrize("name", ["gaussian_mixture", "svm", "extra_trees", "logistic"])
def test_every_named_unary_learns(name: str):
    if name != "gaussian_mixture":
        pytest.importorskip("sklearn")
    codes, image = scene()
    fitted = as_unary(name, "radar").fitted(image.reshape(-1, 3), codes.reshape(-1), CLASSES)
    image[2, 3] = np.nan
    image[4, 5, 1] = np.nan
    said = fitted.log_likelihood(image, CLASSES)
    assert said.shape == (12, 10, 3)
    assert np.isfinite(said).all()
    assert (said[2, 3] == 0).all()
    assert (said[4, 5] == 0).all()
    known = np.isfinite(image).all(-1)
    assert (said.argmax(-1) == codes)[known].mean() > 0.9
    again = as_unary(name, "radar").fitted(
        np.nan_to_num(scene()[1]).reshape(-1, 3), codes.reshape(-1), CLASSES
    )
    np.testing.assert_allclose(again.log_likelihood(image, CLASSES), said)


def test_many_bands_and_few_pixels():
    codes, image = scene(bands=60)
    rows, labels = image[:2].reshape(-1, 60), codes[:2].reshape(-1)
    fitted = GaussianMixtureUnary().fitted(rows, labels, CLASSES)
    assert (fitted.log_likelihood(image, CLASSES).argmax(-1) == codes).mean() > 0.9


def test_constant_bands_are_left_out():
    codes, image = scene()
    image[..., 1] = 7.0
    fitted = GaussianMixtureUnary().fitted(image.reshape(-1, 3), codes.reshape(-1), CLASSES)
    assert (fitted.log_likelihood(image, CLASSES).argmax(-1) == codes).mean() > 0.9
    with pytest.raises(LearningError, match="same values in every band"):
        GaussianMixtureUnary().fitted(np.ones((6, 2)), np.arange(6) % 3, CLASSES)


def test_two_components_find_two_clusters():
    random = np.random.default_rng(0)
    centre = np.repeat([-4.0, 4.0, 0.0], 60)
    codes = np.repeat([0, 0, 1], 60)
    rows = (centre + random.normal(0, 0.5, 180))[:, None]
    fitted = GaussianMixtureUnary(components=2).fitted(rows, codes, ("outside", "inside"))
    said = fitted.log_likelihood(np.array([[[-4.0], [0.0], [4.0]]]), ("outside", "inside"))
    np.testing.assert_array_equal(said.argmax(-1), [[0, 1, 0]])


def test_a_class_without_a_pixel_is_named():
    for unary in (GaussianMixtureUnary(), as_unary("svm", "radar")):
        with pytest.raises(LearningError, match="'woods', 'town'"):
            unary.fitted(np.ones((2, 2)), np.zeros(2, int), CLASSES)


def test_floors():
    said = floored(np.array([[0.0, -np.inf, -1e9], [5.0, 5.0, 5.0]]))
    assert np.exp(said).sum(-1) == pytest.approx(1.0)
    assert np.exp(said[0, 1]) == pytest.approx(FLOOR / 3)
    np.testing.assert_allclose(np.exp(said[1]), 1 / 3)


def test_overconfident_classifiers_are_calibrated():
    pytest.importorskip("sklearn")
    from sklearn.neighbors import KNeighborsClassifier

    random = np.random.default_rng(0)
    codes = random.integers(0, 2, 400)
    rows = codes[:, None] + random.normal(0, 1.0, (400, 1))
    nearest = ClassifierUnary(KNeighborsClassifier(1)).fitted(rows[:200], codes[:200], ("a", "b"))
    said = nearest.log_likelihood(rows[200:][None], ("a", "b"))[0]
    picked = said[np.arange(200), codes[200:]]
    assert -picked.mean() < 0.7  # always wrong by FLOOR would be 2 nats and more


def test_decision_functions_of_two_classes():
    pytest.importorskip("sklearn")
    from sklearn.svm import LinearSVC

    codes, image = scene()
    rows, two = image.reshape(-1, 3), (codes.reshape(-1) > 0).astype(int)
    fitted = as_unary(LinearSVC(), "radar").fitted(rows, two, ("a", "b"))
    assert (fitted.log_likelihood(image, ("a", "b")).argmax(-1) == (codes > 0)).mean() > 0.9


def test_modules_by_pixel_and_by_image():
    codes, image = scene()
    centres = torch.tensor([0.0, 2.0, 4.0])

    class Nearest(torch.nn.Module):
        def forward(self, rows):
            assert not self.training
            return -((rows.mean(1, keepdim=True) - centres) ** 2)

    class Whole(torch.nn.Module):
        def forward(self, batch):
            return -((batch.mean(1, keepdim=True) - centres[None, :, None, None]) ** 2)

    image[0, 0] = np.nan
    module = Nearest()
    said = as_unary(module, "radar").log_likelihood(image, CLASSES)
    assert module.training
    assert (said[0, 0] == 0).all()
    assert (said.argmax(-1) == codes).mean() > 0.9
    whole = ModuleUnary(Whole(), whole_image=True).log_likelihood(image, CLASSES)
    np.testing.assert_allclose(whole, said, atol=1e-5)
    with pytest.raises(LearningError, match=r"logits of shape \(12, 10, 3\)"):
        ModuleUnary(module).log_likelihood(image, ("a", "b"))
    with pytest.raises(LearningError, match="NaN or infinite"):
        ModuleUnary(lambda rows: rows * torch.nan).log_likelihood(image, CLASSES)


def test_arrays_of_probabilities_and_log_likelihoods():
    image = np.zeros((1, 3, 1))
    given = np.array([[[0.5, 0.5], [1.0, 0.0], [np.nan, 0.2]]])
    unary = as_unary(given, "radar")
    said = unary.log_likelihood(image, ("a", "b"))
    assert np.isfinite(said).all()
    assert (said[0, 2] == 0).all()
    forbidding = np.array([[[0.0, -np.inf], [-1.0, -2.0], [0.0, 0.0]]])
    said = as_unary(forbidding, "radar").log_likelihood(image, ("a", "b"))
    np.testing.assert_array_equal(said, forbidding)
    image[0, 0] = np.nan
    assert (unary.log_likelihood(image, ("a", "b"))[0, 0] == 0).all()
    with pytest.raises(LearningError, match="shape"):
        unary.log_likelihood(image, ("a", "b", "c"))
    for bad in ({}, {"probabilities": given, "log_likelihoods": given}):
        with pytest.raises(LearningError, match="give either"):
            ArrayUnary(**bad)
    with pytest.raises(LearningError, match="negative"):
        ArrayUnary(probabilities=[-0.1, 1.1])
    with pytest.raises(LearningError, match="every class forbidden"):
        ArrayUnary(log_likelihoods=[-np.inf, -np.inf])
    forbidding[0, 1:] = -np.inf
    with pytest.raises(LearningError, match=r"'radar': the pixel at \(0, 1\) has every class forb"):
        as_unary(forbidding, "radar")
    given[0, 1] = 2.0, np.inf
    with pytest.raises(LearningError, match=r"pixel at \(0, 1\) has a probability that is neg"):
        ArrayUnary(probabilities=given)
    with pytest.raises(LearningError, match=r"pixel at \(0, 1\) has an infinite log-likelihood"):
        ArrayUnary(log_likelihoods=given)


def test_a_class_that_was_not_learned_neither_gains_nor_loses():
    codes, image = scene()
    kept = codes != 1
    inner = GaussianMixtureUnary().fitted(image[kept], codes[kept] // 2, ("water", "town"))
    said = PartialUnary(inner, np.array([0, 2])).log_likelihood(image, CLASSES)
    posterior = np.exp(said) / np.exp(said).sum(-1, keepdims=True)
    np.testing.assert_allclose(posterior[..., 1], 1 / 3)
    known = inner.log_likelihood(image, ("water", "town"))
    np.testing.assert_allclose(said[..., [0, 2]], known)
    image[2, 3] = np.nan
    assert (PartialUnary(inner, np.array([0, 2])).log_likelihood(image, CLASSES)[2, 3] == 0).all()
    assert (SilentUnary().log_likelihood(image, CLASSES) == np.zeros((12, 10, 3))).all()


def test_what_has_a_fit_of_its_own_learns():
    assert GaussianMixtureUnary().learns
    assert ClassifierUnary(None).learns
    for ready in (ArrayUnary([0.5, 0.5]), ModuleUnary(torch.nn.Identity()), Unary(), SilentUnary()):
        assert not ready.learns


def test_what_is_no_unary_is_named():
    with pytest.raises(LearningError, match="did you mean 'extra_trees'"):
        as_unary("extra_tree", "radar")
    with pytest.raises(LearningError, match="is no unary"):
        as_unary(object(), "radar")
    with pytest.raises(LearningError, match="have not been fitted"):
        GaussianMixtureUnary().log_likelihood(np.zeros((1, 1, 1)), CLASSES)


def test_the_only_pixel_of_a_class_is_never_held_out():
    codes = np.array([0] * 7 + [1] * 2 + [2])
    rows = np.random.default_rng(0).normal(size=(10, 2)) + codes[:, None]
    seen = []
    LogisticRegression = pytest.importorskip("sklearn.linear_model").LogisticRegression

    class Noting(LogisticRegression):
        def fit(self, rows, codes):
            seen.append(np.bincount(codes, minlength=3).tolist())
            return super().fit(rows, codes)

    ClassifierUnary(Noting()).fitted(rows, codes, ("a", "b", "c"))
    *folds, whole = seen
    assert len(folds) == 3
    assert whole == [7, 2, 1]
    assert sorted(fold[0] for fold in folds) == [4, 5, 5]
    assert all(fold[1] and fold[2] == 1 for fold in folds)


def test_masked_pixels_are_missing_to_every_unary():
    codes, image = scene()
    masked = np.ma.MaskedArray(image.copy())
    masked[3:6, 2:5, 1] = np.ma.masked
    masked.data[3:6, 2:5, 1] = 1e6
    gaps = masked.filled(np.nan)
    learned = GaussianMixtureUnary().fitted(image.reshape(-1, 3), codes.reshape(-1), CLASSES)
    module = ModuleUnary(
        lambda rows: -((rows.mean(1, keepdim=True) - torch.tensor([0, 2, 4])) ** 2)
    )
    ready = ArrayUnary(np.full((12, 10, 3), [0.2, 0.3, 0.5]))
    for unary in (learned, module, ready, PartialUnary(learned, np.arange(3))):
        said = unary.log_likelihood(masked, CLASSES)
        assert (said[3:6, 2:5] == 0).all()
        np.testing.assert_array_equal(said, unary.log_likelihood(gaps, CLASSES))


@pytest.mark.parametrize("whole_image", [False, True])
def test_a_module_runs_on_the_device_of_its_parameters(device: str, whole_image: bool):
    codes, image = scene()
    seen: list[str] = []

    class Centres(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.centres = torch.nn.Parameter(torch.tensor([0.0, 2.0, 4.0], device=device))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            seen.append(pixels.device.type)
            centres = self.centres[:, None, None] if whole_image else self.centres
            return -((pixels.mean(1, keepdim=True) - centres) ** 2)

    said = ModuleUnary(Centres(), whole_image=whole_image).log_likelihood(image, CLASSES)
    assert seen == [device]
    expected = floored(-((image.mean(-1, keepdims=True) - [0.0, 2.0, 4.0]) ** 2))
    np.testing.assert_allclose(said, expected, rtol=1e-4, atol=1e-4)
    assert (said.argmax(-1) == codes).mean() > 0.9
