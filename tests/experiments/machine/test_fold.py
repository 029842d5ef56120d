"""A fitted machine in the units of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmgraph.experiments.machine.declaration import read_machine
from mmgraph.experiments.machine.fold import FittedMachine, fit_machine
from tests.experiments.small_machine import DECLARATION, small_data


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedMachine:
    path: Path = tmp_path_factory.mktemp("machine") / "small.toml"
    path.write_text(DECLARATION)
    return fit_machine(read_machine(path), small_data())


@pytest.mark.parametrize("given", [("picture", "tone"), ("tone",), ("picture",)])
def test_in_units_of_the_data_it_says_the_same(fitted: FittedMachine, given: tuple[str, ...]):
    data = small_data()
    own = fitted.in_units_of_data()
    assert own.sweeps == fitted.machine.sweeps == 6
    rows = {name: torch.as_tensor(data.features[name]) for name in given}
    np.testing.assert_allclose(
        own.predict_proba(rows), fitted.predict_proba(data, given), rtol=1e-3, atol=1e-5
    )


def test_in_units_of_the_data_it_imputes_the_same(fitted: FittedMachine):
    data = small_data()
    own = fitted.in_units_of_data()
    filled = own.impute({"tone": torch.as_tensor(data.features["tone"])}, "picture")["picture"]
    expected = fitted.impute(data, ("tone",), "picture")
    np.testing.assert_allclose(filled.numpy(), expected, rtol=1e-3, atol=1e-3)
