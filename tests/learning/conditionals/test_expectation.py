"""EM of mixed networks with missing cells, against multivariate normals and by what it climbs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.graph.errors import LearningError

X, Y, Z = (mm.Variable(name, family="gaussian") for name in "xyz")
KIND = mm.Variable("kind", ("a", "b"))
NAMES = ["x", "y", "z"]


def triangle() -> mm.BayesianNetwork:
    """Every joint normal distribution of three variables."""
    return mm.BayesianNetwork(
        [X, Y, Z],
        [
            mm.LinearGaussian(X, [], [], 0.0, 1.0),
            mm.LinearGaussian(Y, [X], [0.0], 0.0, 1.0),
            mm.LinearGaussian(Z, [X, Y], [0.0, 0.0], 0.0, 1.0),
        ],
    )


def mixed() -> mm.BayesianNetwork:
    return mm.BayesianNetwork(
        [KIND, X, Y, Z],
        [
            mm.TableFactor((KIND,), [0.5, 0.5], child=KIND),
            mm.LinearGaussian(X, [], [], 0.0, 1.0),
            mm.LinearGaussian(Y, [KIND, X], np.zeros((2, 1)), [0, 0], [1, 1]),
            mm.LinearGaussian(Z, [Y], [0.0], 0.0, 1.0),
        ],
    )


def rows(seed: int, count: int = 60, share: float = 0.25) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    kind = source.choice(["a", "b"], count)
    x = source.normal(3.0, 2.0, count)
    y = np.where(kind == "a", 2 * x, 5 - x) + source.normal(size=count)
    z = 1 - 0.5 * y + 0.7 * source.normal(size=count)
    frame = pd.DataFrame({"kind": kind, "x": x, "y": y, "z": z}).astype(object)
    frame[source.random(frame.shape) < share] = None
    return frame.astype(dict.fromkeys(NAMES, float))


def test_complete_rows_need_one_iteration():
    frame = rows(0, share=0.0)
    for shrinkage in (0.0, None):
        em = mixed().fit(frame, "em", shrinkage=shrinkage)
        direct = mixed().fit(frame, shrinkage=shrinkage)
        for one, other in zip(em.factors, direct.factors, strict=True):
            for name, numbers in one.parameters().items():
                if shrinkage == 0:
                    np.testing.assert_allclose(numbers, other.parameters()[name], rtol=1e-9)
        assert em.fit_report.converged


def test_a_triangle_is_the_likeliest_joint_normal():
    frame = rows(1)[NAMES]
    net = triangle().fit(frame, shrinkage=0.0, tolerance=1e-12, max_iterations=2000)
    v = mm.Variable("v", family="gaussian", shape=(3,))
    leaf = mm.GaussianLeaf(v, [], np.zeros(3), np.eye(3))
    joint = mm.BayesianNetwork([v], [leaf])
    cells = frame.dropna(how="all").to_numpy()
    joint.fit({"v": cells}, shrinkage=0.0, tolerance=1e-12, max_iterations=2000)
    assert net.fit_report.log_likelihood == pytest.approx(joint.fit_report.log_likelihood, rel=1e-8)
    moments = mm.joint_moments(net, NAMES)
    expected = joint.distribution("v")
    np.testing.assert_allclose(moments.mean[0], expected.means, rtol=1e-4)
    np.testing.assert_allclose(moments.covariance[0], expected.covariances, rtol=1e-3)


@pytest.mark.parametrize("options", [{}, {"shrinkage": 0.0}, {"equivalent_sample_size": 6.0}])
@pytest.mark.parametrize("seed", range(3))
def test_the_objective_never_falls_with_cells_of_all_kinds_missing(seed, options):
    frame = rows(seed + 10)
    net = mixed().fit(frame, "em", tolerance=1e-9, max_iterations=60, **options)
    objectives = np.array(net.fit_report.objectives)
    assert np.diff(objectives).min() > -1e-7 * abs(objectives[-1])
    assert objectives[-1] > objectives[0]
    assert net.fit_report.log_likelihood == pytest.approx(net.score(frame) * len(frame), rel=1e-9)
    if not options:
        np.testing.assert_allclose(net.distribution("y").coefficients[:, 0], [2, -1], atol=0.4)


def test_weights_are_repetitions_and_files_are_read_anew(tmp_path):
    frame = rows(2, 30)
    counts = np.random.default_rng(0).integers(1, 3, 30)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    options = {"method": "em", "start": "current", "tolerance": 1e-8, "shrinkage": 0.0}
    start = mixed().fit(frame.dropna())
    weighted = start.replace_distributions({}).fit(
        tmp_path / "rows.csv", chunk_rows=7, weights=counts, **options
    )
    repeated = start.replace_distributions({}).fit(frame.loc[frame.index.repeat(counts)], **options)
    for one, other in zip(weighted.factors, repeated.factors, strict=True):
        for name, numbers in one.parameters().items():
            np.testing.assert_allclose(numbers, other.parameters()[name], rtol=1e-3)


def test_a_latent_configuration_separates_two_lines():
    source = np.random.default_rng(5)
    kind = source.random(200) < 0.5
    x = source.uniform(-3, 3, 200)
    y = np.where(kind, 2 * x, -2 * x) + 0.3 * source.normal(size=200)
    net = mm.BayesianNetwork(
        [KIND, X, Y],
        [
            mm.TableFactor((KIND,), [0.5, 0.5], child=KIND),
            mm.LinearGaussian(X, [], [], 0.0, 1.0),
            mm.LinearGaussian(Y, [KIND, X], np.zeros((2, 1)), [0, 0], [1, 1]),
        ],
    )
    generator = torch.Generator().manual_seed(0)
    net.fit({"x": x, "y": y}, "em", restarts=4, shrinkage=0.0, generator=generator)
    slopes = sorted(net.distribution("y").coefficients[:, 0].tolist())
    np.testing.assert_allclose(slopes, [-2, 2], atol=0.1)


def test_a_continuous_variable_may_be_latent_between_others():
    """A factor of three measurements: their covariances are explained, and scale is free."""
    source = np.random.default_rng(6)
    factor = source.normal(size=300)
    measured = {
        name: loading * factor + 0.5 * source.normal(size=300)
        for name, loading in (("x", 1.0), ("y", -2.0), ("z", 1.5))
    }
    f = mm.Variable("f", family="gaussian")
    net = mm.BayesianNetwork(
        [f, X, Y, Z],
        [
            mm.LinearGaussian(f, [], [], 0.0, 1.0),
            *(mm.LinearGaussian(v, [f], [0.5], 0.0, 1.0) for v in (X, Y, Z)),
        ],
    )
    net.fit(measured, "em", start="current", shrinkage=0.0, max_iterations=500, tolerance=1e-9)
    covariance = mm.joint_moments(net, NAMES).covariance[0]
    expected = np.cov([measured[n] for n in NAMES], ddof=0)
    np.testing.assert_allclose(covariance, expected, rtol=0.02, atol=0.02)


def test_a_leaf_with_continuous_children_and_missing_cells_is_refused():
    net = mm.BayesianNetwork(
        [X, Y],
        [mm.GaussianLeaf(X, [], 0.0, 1.0), mm.LinearGaussian(Y, [X], [1.0], 0.0, 1.0)],
    )
    frame = rows(3)[["x", "y"]]
    with pytest.raises(LearningError, match=r"'x' has continuous children.* a LinearGaussian"):
        net.fit(frame)
    net.fit(frame.dropna(subset="x"))


def test_an_interrupted_call_goes_on_with_the_same_priors(tmp_path):
    frame = rows(4, 20)
    options = {"method": "em", "equivalent_sample_size": 6.0, "max_iterations": 4}
    whole = mixed().fit(frame, **options)

    def stop(iteration: int, log_likelihood: float) -> None:
        if iteration == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mixed().fit(frame, progress=stop, checkpoint=tmp_path / "kept", **options)
    resumed = mixed().fit(frame, checkpoint=tmp_path / "kept", **options)
    np.testing.assert_allclose(
        resumed.fit_report.objectives, whole.fit_report.objectives, rtol=1e-12
    )
    for one, other in zip(resumed.factors, whole.factors, strict=True):
        for name, numbers in one.parameters().items():
            np.testing.assert_allclose(numbers, other.parameters()[name], rtol=1e-9)
