"""The figures of hybrids on ``home_activities``: end to end and part by part, leaves beside or not.

pytest tests/benchmarks/test_home_activities_hybrid.py --benchmark-only -s -m slow
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.comparison.cross_validation import CrossValidation, cross_validations
from mmgraph.experiments.classification.classification import declared_rows
from mmgraph.graph.errors import DatasetError
from mmgraph.learning.prediction.noise import figures_with_noise

QUICK = {"leaves": "logistic", "joint": (), "folds": 2, "training": {"epochs": 4}}
GIVEN = (("sound", "movement"), ("sound",), ("movement",))


def tables(split: CrossValidation, folds: int | None, options: dict[str, Any]) -> list[np.ndarray]:
    """The posteriors of the test rows of all folds in each situation."""
    answers = []
    for training, test in split.folds[:folds]:
        clf = mm.HybridClassifier(**options).fit(split.data.rows(training))
        answers.append([clf.predict_proba(split.data.rows(test), given) for given in GIVEN])
    return [np.concatenate(parts) for parts in zip(*answers, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["auto", ()], ids=["leaves", "encoders alone"])
@pytest.mark.parametrize("learning", ["end_to_end", "part_by_part"])
def test_a_hybrid(benchmark: Any, learning: str, leaves: Any):
    try:
        declaration, data = declared_rows("home_activities")
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")
    options = {"learning": learning, "leaves": leaves}
    folds = None
    if benchmark.disabled:
        options, folds = QUICK | {"learning": learning}, 1
    splits = cross_validations(data, declaration.folds, declaration.seed, folds)
    measured = benchmark.pedantic(
        lambda: [tables(split, folds, options) for split in splits], rounds=1
    )
    print(f"\n{learning}, leaves {options['leaves'] or 'none'}: log-loss, accuracy (their errors)")
    for split, answers in zip(splits, measured, strict=True):
        tested = split.data.rows(np.concatenate([test for _, test in split.folds]))
        groups = None if tested.groups is None else tested.groups.codes
        for given, table in zip(GIVEN, answers, strict=True):
            row = figures_with_noise(table, tested.codes, groups)
            print(f"  {split.split:9} {'+'.join(given):15} {row['log_loss']:.3f} "
                  f"({row.get('log_loss_standard_error', np.nan):.3f}) {row['accuracy']:.3f} "
                  f"({row.get('accuracy_standard_error', np.nan):.3f})")  # fmt: skip
    assert np.mean(measured[0][0].argmax(1) == splits[0].data.rows(splits[0].tested).codes) > 0.7
