"""What the leaves of ``home_activities`` bring, on random folds and with whole blocks left out.

pytest tests/benchmarks/test_home_activities_parts.py --benchmark-only -s -m slow
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mmgraph.experiments import experiment
from mmgraph.experiments.classification import classification
from mmgraph.experiments.classification.declaration import (
    ClassificationDeclaration,
    LeafDeclaration,
    read_classification,
)
from mmgraph.graph.errors import DatasetError

WHOLE = read_classification("home_activities")
MIXTURES = tuple(leaf for leaf in WHOLE.leaves if leaf.kind == "gaussian_mixture")
TREES = tuple(leaf for leaf in WHOLE.leaves if leaf.kind == "encoder")
PLAIN = tuple(replace(leaf, components=3, restarts=1, shrinkage=0.3) for leaf in MIXTURES)
VARIANTS: dict[str, tuple[LeafDeclaration, ...]] = {
    "one mixture of 3 a modality": PLAIN,
    "mixtures of 5 x 15": MIXTURES,
    "trees": TREES,
    "mixtures and trees": WHOLE.leaves,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant(benchmark: Any, monkeypatch: pytest.MonkeyPatch, name: str):
    def declared(_: object) -> ClassificationDeclaration:
        return replace(WHOLE, leaves=VARIANTS[name])

    monkeypatch.setattr(classification, "read_classification", declared)
    folds = 1 if benchmark.disabled else None
    try:
        report = benchmark.pedantic(
            lambda: experiment.run("home_activities", folds=folds), rounds=1
        )
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")
    print(f"\n{name}: accuracy, log-loss, calibration error (95% of what chance gives)")
    for row in report["results"]:
        print(f"  {row['split']:9} {'+'.join(row['given']):15} {row['accuracy']:.3f} "
              f"{row['log_loss']:.2f} {row['expected_calibration_error']:.3f} "
              f"({row['calibration_error_by_chance_95']:.3f})")  # fmt: skip
    random, *_, by_block = (row for row in report["results"] if len(row["given"]) == 2)
    assert random["accuracy"] > by_block["accuracy"] > 1 / 3
