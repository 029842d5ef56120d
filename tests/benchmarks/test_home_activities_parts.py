"""What each kind of leaf brings ``home_activities``, at random and with whole blocks left out.

pytest tests/benchmarks/test_home_activities_parts.py --benchmark-only -s -m slow
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmgraph.experiments import experiment
from mmgraph.experiments.reader import find_declaration
from mmgraph.graph.errors import DatasetError
from mmgraph.predictors.leaves.named import AUTO

KINDS = [kind for kind in AUTO if kind != "tables"]
VARIANTS = {
    **{f"{kind} alone": f'leaves = ["{kind}"]' for kind in KINDS},
    "all, none joint": f"leaves = {KINDS}\njoint = []",
    "all": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant(benchmark: Any, tmp_path: Path, name: str):
    text = find_declaration("home_activities").read_text(encoding="utf-8")
    variant = tmp_path / "variant.toml"
    assert "[classifier]\n" not in text
    variant.write_text(f"{text}\n[classifier]\n{VARIANTS[name]}\n", encoding="utf-8")
    folds = 1 if benchmark.disabled else None
    try:
        report = benchmark.pedantic(lambda: experiment.run(variant, folds=folds), rounds=1)
    except DatasetError as error:
        pytest.skip(f"the data cannot be had: {error}")
    print(f"\n{name}: log-loss, accuracy, calibration error, debiased (95% of what chance gives)")
    for row in report["results"]:
        print(f"  {row['split']:9} {'+'.join(row['given']):15} {row['log_loss']:.3f} "
              f"{row['accuracy']:.3f} {row['expected_calibration_error']:.3f} "
              f"{row['debiased_calibration_error']:.3f} "
              f"({row['calibration_error_by_chance_95']:.3f})")  # fmt: skip
    random, *_, grouped = (row for row in report["results"] if len(row["given"]) == 2)
    assert random["accuracy"] > grouped["accuracy"] > 1 / 3
