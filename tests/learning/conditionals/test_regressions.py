"""Linear Gaussian distributions of a network from tables: complete, weighted, streamed, bad."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import mmgraph as mm
from mmgraph.data.encoding import encode
from mmgraph.graph.errors import EvidenceError, LearningError
from mmgraph.learning.conditionals.few_rows import FewRowsWarning
from mmgraph.learning.conditionals.priors import LeafOptions
from mmgraph.learning.conditionals.regressions import initial_regression
from mmgraph.learning.counts import IncompleteDataError


def plants(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    source = np.random.default_rng(seed)
    soil = source.choice(["clay", "sand"], rows)
    water = source.normal(40.0, 12.0, rows)
    clay = soil == "clay"
    height = np.where(clay, 3.0 + 0.2 * water, 1.0 + 0.6 * water)
    height += source.normal(0, np.where(clay, 1.0, 2.0))
    weight = 0.5 * height + 0.1 * water + source.normal(0, 0.3, rows)
    return pd.DataFrame({"soil": soil, "water": water, "height": height, "weight": weight})


def network() -> mm.BayesianNetwork:
    soil = mm.Variable("soil", ("clay", "sand"))
    water, height, weight = (
        mm.Variable(name, family="gaussian") for name in ("water", "height", "weight")
    )
    return mm.BayesianNetwork(
        [soil, water, height, weight],
        [
            mm.TableFactor((soil,), [0.5, 0.5], child=soil),
            mm.LinearGaussian(water, [], [], 0.0, 1.0),
            mm.LinearGaussian(height, [soil, water], np.zeros((2, 1)), [0, 0], [1, 1]),
            mm.LinearGaussian(weight, [water, height], [0, 0], 0.0, 1.0),
        ],
    )


def numbers(net: mm.BayesianNetwork) -> dict[str, torch.Tensor]:
    return {
        f"{f.child.name} {name}": tensor
        for f in net.factors
        for name, tensor in f.parameters().items()
    }


def assert_same(one: mm.BayesianNetwork, other: mm.BayesianNetwork, rtol: float = 1e-9) -> None:
    for (name, first), second in zip(numbers(one).items(), numbers(other).values(), strict=True):
        np.testing.assert_allclose(first, second, rtol=rtol, err_msg=name)


def test_a_mixed_network_has_its_parameters_from_a_frame():
    net = network().fit(plants(4000))
    height = net.distribution("height")
    np.testing.assert_allclose(height.coefficients[:, 0], [0.2, 0.6], atol=0.01)
    np.testing.assert_allclose(height.intercept, [3.0, 1.0], atol=0.4)
    np.testing.assert_allclose(height.variance, [1.0, 4.0], rtol=0.1)
    np.testing.assert_allclose(net.distribution("weight").coefficients, [0.1, 0.5], atol=0.01)
    np.testing.assert_allclose(net.distribution("soil").values, [0.5, 0.5], atol=0.03)
    assert net.fit_report is None


def test_maximum_likelihood_is_least_squares():
    frame = plants()
    net = network().fit(frame, "maximum_likelihood")
    design = np.column_stack([np.ones(300), frame.water, frame.height])
    expected, residual, *_ = np.linalg.lstsq(design, frame.weight.to_numpy(), rcond=None)
    weight = net.distribution("weight")
    found = [float(weight.intercept), *weight.coefficients.tolist()]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert float(weight.variance) == pytest.approx(residual[0] / 300, rel=1e-9)


@pytest.mark.parametrize("name", ["plants.csv", "plants.parquet"])
def test_files_are_streamed_and_weights_count_rows(tmp_path, name):
    frame = plants(120)
    counts = np.random.default_rng(1).integers(0, 4, len(frame))
    if name.endswith("csv"):
        frame.to_csv(tmp_path / name, index=False)
    else:
        frame.to_parquet(tmp_path / name, index=False)
    for method in ("auto", "maximum_likelihood", "bdeu"):
        streamed = network().fit(tmp_path / name, method, chunk_rows=17, weights=counts)
        repeated = network().fit(frame.loc[frame.index.repeat(counts)], method)
        assert_same(streamed, repeated)


def test_an_equivalent_sample_size_draws_to_independence():
    frame = plants(60)
    strong = network().fit(frame, "bdeu", equivalent_sample_size=1e7)
    np.testing.assert_allclose(strong.distribution("height").coefficients, 0, atol=1e-3)
    np.testing.assert_allclose(
        strong.distribution("height").intercept, frame.height.mean(), rtol=1e-3
    )
    np.testing.assert_allclose(
        strong.distribution("height").variance, frame.height.var(ddof=0), rtol=1e-3
    )
    assert_same(
        network().fit(frame, "bdeu", equivalent_sample_size=1e-9),
        network().fit(frame, "maximum_likelihood"),
        1e-6,
    )


def test_few_rows_are_said_and_a_configuration_leans_on_the_others():
    frame = plants(40)
    frame = frame[(frame.soil == "clay") | (frame.index == frame.index[frame.soil == "sand"][0])]
    with pytest.warns(
        FewRowsWarning, match=r"'height' has 2 coefficients and 1 rows at \(soil=sand\)"
    ):
        net = network().fit(frame)
    clay, sand = net.distribution("height").coefficients[:, 0].tolist()
    assert sand == pytest.approx(clay, abs=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FewRowsWarning)
        network().fit(plants(40))
    with pytest.warns(FewRowsWarning, match=r"0 rows at \(soil=sand\).*it was shrunk by 0.5"):
        network().fit(frame[frame.soil == "clay"], shrinkage=0.5)


def test_bad_cells_are_named():
    frame = plants(20)
    with pytest.raises(EvidenceError, match="'height' is infinite"):
        network().fit(frame.assign(height=np.inf))
    with pytest.raises(EvidenceError, match="'height' is no number: 'tall'"):
        network().fit(frame.assign(height="tall"))
    with pytest.raises(LearningError, match=r"of 'height' has the same value .*: leave it out"):
        network().fit(frame.assign(height=3.0))
    with pytest.raises(LearningError, match=r"'height' or of its parents is beyond 1e.150"):
        network().fit(frame.assign(height=frame.height * 1e160))
    holed = frame.copy()
    holed.loc[3, "water"] = np.nan
    with pytest.raises(IncompleteDataError, match="'water' is missing in row 3"):
        network().fit(holed, "maximum_likelihood")
    with pytest.raises(IncompleteDataError, match="no column 'water'"):
        mm.learn_parameters(network(), frame.drop(columns="water"))
    holed = frame.astype(object)
    holed.loc[2, "soil"] = None
    with pytest.raises(IncompleteDataError, match="'soil'"):
        network().fit(holed, "maximum_likelihood")


def test_em_starts_from_the_rows_that_have_the_family():
    frame = plants(200)
    net = network()
    factor = net.distribution("height")
    values = dict(encode(frame, net.variables).values)
    sand = torch.as_tensor((frame.soil == "sand").to_numpy())
    share = torch.nn.functional.one_hot(sand.long(), 2).double()
    values["water"] = values["water"].clone()
    values["water"][100:] = torch.nan
    started = initial_regression(factor, values, share, LeafOptions())
    expected = network().fit(frame[:100]).distribution("height")
    np.testing.assert_allclose(started.coefficients, expected.coefficients, rtol=1e-9)
    alone = {"height": values["height"]}
    started = initial_regression(factor, alone, share, LeafOptions(shrinkage=0.0))
    assert not bool(started.coefficients.any())
    means = frame.groupby("soil").height.mean()
    np.testing.assert_allclose(started.intercept, means, rtol=1e-9)
    assert initial_regression(factor, {}, share, LeafOptions()) is factor
