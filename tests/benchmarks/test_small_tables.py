"""What machines make of a small table (breast cancer, 569 rows of 30 columns), beside others.

`pytest tests/benchmarks/test_small_tables.py --benchmark-only -s` prints the figures of the README.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mmgraph as mm

SEEDS = range(3)


def imputation_errors() -> dict[str, float]:
    """Root mean squared errors, in standard deviations, of a fifth of the cells of test rows."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    x = load_breast_cancer().data
    errors: dict[str, list[float]] = {}
    for seed in SEEDS:
        generator = np.random.default_rng(seed)
        order = generator.permutation(len(x))
        train, test = x[order[:400]], x[order[400:]]
        mean, deviation = train.mean(0), train.std(0)
        train, test = (train - mean) / deviation, (test - mean) / deviation
        hidden = generator.random(test.shape) < 0.2
        given = np.where(hidden, np.nan, test)
        variable = mm.Variable("x", shape=(30,), family="gaussian")
        found = {
            "column means": np.zeros_like(test),
            "ridge regression": ridge(train, given),
            "iterative imputer": IterativeImputer(random_state=seed).fit(train).transform(given),
        }
        for objective in ("contrastive_divergence", "multi_prediction"):
            machine = mm.RestrictedBoltzmannMachine(variable, 64)
            machine.fit(train, objective=objective, seed=seed)
            found[objective] = machine.impute(given)["x"].numpy()
        for name, filled in found.items():
            error = np.sqrt(np.square(filled - test)[hidden].mean())
            errors.setdefault(name, []).append(float(error))
    return {name: float(np.mean(e)) for name, e in errors.items()}


def network_errors() -> dict[str, float]:
    """Mean squared errors, in standard deviations, of networks and of others.

    Cells: a fifth of the table that each learns from, whose cells are missing; a network of all
    edges from earlier to later columns, by EM. Worst from mean: the ten columns of the worst cells
    of new rows from those of their means, five folds.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold

    x = load_breast_cancer(as_frame=True).data
    edges = [(a, b) for i, b in enumerate(x.columns) for a in x.columns[:i]]
    errors: dict[str, list[float]] = {}

    def note(name: str, filled: np.ndarray, truth: np.ndarray) -> None:
        errors.setdefault(name, []).append(float(np.square(filled - truth).mean()))

    for seed in SEEDS:
        scaled = (x - x.mean()) / x.std()
        hidden = np.random.default_rng(seed).random(x.shape) < 0.2
        gaps, truth = scaled.mask(hidden), scaled.to_numpy()[hidden]
        net = mm.BayesianNetwork.from_data(gaps, edges, "em", tolerance=1e-5)
        note("cells: network", net.impute(gaps).to_numpy()[hidden], truth)
        for imputer in (IterativeImputer(random_state=seed), KNNImputer()):
            filled = imputer.fit_transform(gaps)
            note(f"cells: {type(imputer).__name__}", filled[hidden], truth)
        for fold in KFold(5, shuffle=True, random_state=seed).split(x):
            mean, deviation = x.iloc[fold[0]].mean(), x.iloc[fold[0]].std()
            train, test = ((x.iloc[rows] - mean) / deviation for rows in fold)
            given = test[[c for c in x.columns if c.startswith("mean")]]
            worst = [c for c in x.columns if c.startswith("worst")]
            net = mm.BayesianNetwork.from_data(train, edges)
            note("worst: network", net.impute(given)[worst].to_numpy(), test[worst].to_numpy())
            ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(train[given.columns], train[worst])
            note("worst: ridge", ridge.predict(given), test[worst].to_numpy())
    return {name: float(np.mean(e)) for name, e in errors.items()}


@pytest.mark.slow
def test_imputation_by_networks(benchmark):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = benchmark.pedantic(network_errors, rounds=1)
    print("\nmean squared error, in standard deviations")
    for name, error in errors.items():
        print(f"{name:>25} {error:.3f}")
    assert errors["cells: network"] < 0.25
    assert errors["worst: network"] < 0.39


def ridge(train: np.ndarray, given: np.ndarray, penalty: float = 0.01) -> np.ndarray:
    """Fill in each row by ridge regression on what is given of it; columns have mean zero."""
    covariance = train.T @ train / len(train) + penalty * np.eye(train.shape[1])
    filled = given.copy()
    for row in filled:
        lacks = np.isnan(row)
        on = covariance[np.ix_(~lacks, ~lacks)]
        row[lacks] = covariance[np.ix_(lacks, ~lacks)] @ np.linalg.solve(on, row[~lacks])
    return filled


@pytest.mark.slow
def test_imputation_beside_ridge_regression(benchmark):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ridge's iterations
        errors = benchmark.pedantic(imputation_errors, rounds=1)
    print("\nroot mean squared error of hidden cells, in standard deviations")
    for name, error in errors.items():
        print(f"{name:>25} {error:.2f}")
    machines = [errors["contrastive_divergence"], errors["multi_prediction"]]
    assert errors["ridge regression"] < min(machines) <= max(machines) < errors["column means"]


def representation_accuracies() -> dict[str, list[float]]:
    """Cross-validated accuracy of logistic regression on representations by default fits."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    variable = mm.Variable("x", shape=(30,), family="gaussian")
    left, right = (
        mm.Variable(n, shape=(15,), family="gaussian", modality=n) for n in ("left", "right")
    )
    makers = {
        "restricted": lambda: mm.RestrictedBoltzmannMachine(variable, 16),
        "deep": lambda: mm.DeepBoltzmannMachine(variable, (32, 16)),
        "multimodal": lambda: mm.MultimodalDeepBoltzmannMachine(
            [mm.Pathway(left, 16), mm.Pathway(right, 16)], 16
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in makers}
    for seed in SEEDS:
        rows = train_test_split(np.arange(len(x)), test_size=0.3, random_state=seed, stratify=y)
        for name, make in makers.items():
            machine = make().fit(x[rows[0]], seed=seed)
            train, test = (machine.transform(x[r]) for r in rows)
            model = LogisticRegression(max_iter=1000).fit(train, y[rows[0]])
            found[name].append(float(model.score(test, y[rows[1]])))
        plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        plain.fit(x[rows[0]], y[rows[0]])
        found.setdefault("the columns", []).append(float(plain.score(x[rows[1]], y[rows[1]])))
    return found


@pytest.mark.slow
def test_representations_by_default_fits(benchmark):
    found = benchmark.pedantic(representation_accuracies, rounds=1)
    print("\naccuracy of logistic regression on the joint layer (majority class .627)")
    for name, accuracies in found.items():
        print(f"{name:>25} {', '.join(f'{a:.3f}' for a in accuracies)}")
        assert min(accuracies) > 0.85
