"""Machines pass scikit-learn's own checks of estimators, but for what they do on purpose."""

from __future__ import annotations

import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm

ON_PURPOSE = {
    "check_no_attributes_set_in_init": "a machine is a factor graph from the first: its variables, "
    "layers and report are attributes",
    "check_dont_overwrite_parameters": "fit gives a machine its layers, numbers and report, which "
    "are what users ask it for",
    "check_do_not_raise_errors_in_init_or_set_params": "what cannot be built, and options that do "
    "not exist, are refused at once",
    "check_dtype_object": "cells that are no numbers end in an error of this package, a ValueError "
    "and not a TypeError",
    "check_fit2d_predict1d": "an array of one row's columns is one row",
}
EASY = {"dtype": torch.float64, "batch_size": 25, "learning_rate": 0.03}
TO_PREDICT = {**EASY, "epochs": 8, "objective": "multi_prediction", "prediction": {"sweeps": 3}}


def on_purpose(estimator: object) -> dict[str, str]:
    return ON_PURPOSE


@parametrize_with_checks(
    [
        mm.RestrictedBoltzmannMachine(hidden=8, epochs=2, **EASY),
        mm.DeepBoltzmannMachine(hidden=(8, 4), epochs=2, **EASY),
    ],
    expected_failed_checks=on_purpose,
    xfail_strict=True,
)
def test_transformers(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        mm.RestrictedBoltzmannMachine(hidden=16, labels="label", **TO_PREDICT),
        mm.DeepBoltzmannMachine(hidden=(16, 16), labels="label", **TO_PREDICT),
        mm.MultimodalDeepBoltzmannMachine(
            joint=16, labels="label", label_links="all", **TO_PREDICT
        ),
    ],
    expected_failed_checks=on_purpose,
    xfail_strict=True,
)
def test_classifiers(estimator, check):
    check(estimator)
