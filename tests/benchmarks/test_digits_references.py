"""What the machine of ``digits_six_views`` stands beside: scikit-learn on the same folds.

    pytest tests/benchmarks/test_digits_references.py --benchmark-only -s

A reference is fitted anew on just what is given, on standardised features; figures are means of
the five folds that ``mmgraph run digits_six_views`` has. With ``--benchmark-disable`` there is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmgraph.data.splits import Fold, stratified_folds, train_and_test
from mmgraph.datasets import digits_six_views
from mmgraph.experiments.machine.declaration import read_machine
from mmgraph.graph.errors import DatasetError

pytest.importorskip("sklearn")
MACHINE = read_machine("digits_six_views")
GIVEN = MACHINE.report.given
(IMPUTATION,) = MACHINE.report.imputations


@pytest.fixture(scope="module")
def digits() -> digits_six_views.DigitsSixViews:
    try:
        return digits_six_views.load()
    except DatasetError as error:
        pytest.skip(f"the digits cannot be had: {error}")


def folds_of(digits: digits_six_views.DigitsSixViews, benchmark: Any) -> list[Fold]:
    numbers = stratified_folds(digits.labels, MACHINE.report.folds, MACHINE.report.seed)
    folds = train_and_test(numbers)
    return folds[:1] if benchmark.disabled else folds


def joined(digits: digits_six_views.DigitsSixViews, views: tuple[str, ...]) -> np.ndarray:
    return np.concatenate([digits.views[view] for view in views], 1)


def svm_accuracy(rows: np.ndarray, labels: np.ndarray, folds: list[Fold]) -> float:
    """Mean accuracy of a support vector machine, its kernel Gaussian and its penalty 10."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    right = []
    for train, test in folds:
        model = make_pipeline(StandardScaler(), SVC(C=10)).fit(rows[train], labels[train])
        right.append((model.predict(rows[test]) == labels[test]).mean())
    return float(np.mean(right))


@pytest.mark.parametrize("views", GIVEN, ids="+".join)
def test_a_support_vector_machine(benchmark: Any, digits: Any, views: tuple[str, ...]):
    folds = folds_of(digits, benchmark)
    accuracy = benchmark.pedantic(
        lambda: svm_accuracy(joined(digits, views), digits.labels, folds), rounds=1
    )
    benchmark.extra_info.update(accuracy=accuracy, folds=len(folds))
    print(f"\n{'+'.join(views)}: support vector machine {accuracy:.3f}")
    assert accuracy > 0.65


def test_the_order_of_rows_gives_nothing_away(benchmark: Any, digits: Any):
    """Rows of a digit stand together; test rows that are neighbours are no harder than random ones.

    Who wrote a digit is not told, so that nothing better than neighbouring rows can be held out.
    """
    place = np.arange(len(digits.labels)) % 200 // 40
    stretches = [(np.flatnonzero(place != p), np.flatnonzero(place == p)) for p in range(5)]
    random = train_and_test(stratified_folds(digits.labels, 5, MACHINE.report.seed))
    rows = joined(digits, GIVEN[0])
    apart, mixed = benchmark.pedantic(
        lambda: [svm_accuracy(rows, digits.labels, folds) for folds in (stretches, random)],
        rounds=1,
    )
    benchmark.extra_info.update(neighbouring=apart, random=mixed)
    print(f"\nall views: {apart:.4f} where 40 neighbours of each digit are left out, "
          f"{mixed:.4f} on random folds")  # fmt: skip
    assert apart == pytest.approx(mixed, abs=0.006)


def test_imputation(benchmark: Any, digits: Any):
    """Mean squared error of the image's pixels, which are between 0 and 6."""
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models = {
        "mean image": DummyRegressor(),
        "five nearest neighbours": KNeighborsRegressor(5),
        "ridge regression": RidgeCV(np.logspace(-1, 4, 11)),
    }
    folds, rows = folds_of(digits, benchmark), joined(digits, IMPUTATION.given)
    truth = digits.views[IMPUTATION.imputed]

    def errors() -> dict[str, float]:
        found = {}
        for name, model in models.items():
            parts = []
            for train, test in folds:
                fitted = make_pipeline(StandardScaler(), model).fit(rows[train], truth[train])
                parts.append(((fitted.predict(rows[test]) - truth[test]) ** 2).mean())
            found[name] = float(np.mean(parts))
        return found

    found = benchmark.pedantic(errors, rounds=1)
    benchmark.extra_info.update(found)
    print(f"\n{IMPUTATION.imputed} from {', '.join(IMPUTATION.given)}: "
          + ", ".join(f"{name} {error:.2f}" for name, error in found.items()))  # fmt: skip
    assert found["ridge regression"] < found["five nearest neighbours"] < found["mean image"]
