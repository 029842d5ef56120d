"""States of measurements under experiments: whose cuts, which rows, what is put to a level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmgraph.experiments.structure.data import Experiments, experiments
from mmgraph.experiments.structure.declaration import (
    CUTS_FROM,
    StructureDeclaration,
    VariantDeclaration,
    read_structure,
)
from mmgraph.experiments.structure.learner import SET, Learner
from mmgraph.graph.errors import DatasetError, FormatError
from tests.experiments.structure.small_experiments import NAMES, SMALL, small_experiments, table


@pytest.fixture
def declaration(tmp_path) -> StructureDeclaration:
    path = tmp_path / "three.toml"
    path.write_text(SMALL)
    return read_structure(path)


@pytest.fixture
def data(declaration: StructureDeclaration) -> Experiments:
    return small_experiments(declaration)


def test_what_is_set_is_put_to_its_level(data: Experiments):
    variant = VariantDeclaration("v", outliers=0)
    learner = Learner(data, variant, 0)
    states = learner.states(learner.rows, learner.intervals(learner.rows))
    assert list(states) == ["a", "b", "c", SET]
    blocked, raised = data.experiment == 2, data.experiment == 3
    assert (states["b"][blocked] == 0).all()
    assert (states["c"][raised] == 2).all()
    assert set(states["b"][~blocked]) == set(states["c"][~raised]) == {0, 1, 2}
    assert set(states[SET][blocked]) == {"b"}
    assert set(states[SET][data.experiment < 2]) == {""}
    measured = Learner(data, replace(variant, as_measured=True), 0)
    assert set(measured.states(learner.rows, learner.intervals(learner.rows))["b"][blocked]) > {2}


def test_cuts_come_from_the_rows_that_are_named(data: Experiments):
    bounds = {}
    for rows in CUTS_FROM:
        learner = Learner(data, VariantDeclaration("v", outliers=0, cuts_from=rows), 0)
        bounds[rows] = learner.intervals(learner.rows)["b"].bounds
    untouched, not_set = data.experiment < 2, data.experiment != 2
    b = data.values[:, 1]
    assert bounds[CUTS_FROM[0]] == (b[untouched].min(), b[untouched].max())
    assert bounds[CUTS_FROM[1]] == (b[not_set].min(), b[not_set].max())
    assert bounds[CUTS_FROM[2]] == (b.min(), b.max())


def test_outliers_are_far_in_their_experiment(data: Experiments):
    values = data.values.copy()
    values[5, 0] = 60.0
    values[:, 1] += 1000.0 * data.experiment  # far apart, and no outliers
    far = replace(data, values=values)
    left = Learner(far, VariantDeclaration("v", outliers=8.0), 0).rows
    np.testing.assert_array_equal(left, np.delete(np.arange(800), 5))
    drawn = Learner(far, VariantDeclaration("v", outliers=8.0, rows=50), 0).rows
    np.testing.assert_array_equal(np.bincount(far.experiment[drawn]), [50] * 4)
    assert 5 not in drawn


def test_a_bootstrap_goes_on_from_its_checkpoint(data: Experiments, tmp_path):
    learner = Learner(data, VariantDeclaration("v", initial_bins=12), 0)
    whole = learner.frequencies(4).arcs
    calls = []

    def stop(done: int, _: int) -> None:
        calls.append(done)
        if done == 2 and len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner.frequencies(4, stop, tmp_path)
    np.testing.assert_array_equal(learner.frequencies(4, stop, tmp_path).arcs, whole)
    assert whole[0, 1] == 1.0


def test_bad_declarations_are_named(declaration: StructureDeclaration, tmp_path):
    path = tmp_path / "bad.toml"
    for old, new, message in (
        ('"lowest"', '"low"', "'low'.*known: lowest, highest"),
        ('score = "bic"', 'score = "bge"', "'bge'"),
        ("initial_bins = 12", "initial_bins = 2", "more 'bins' than"),
        ('name = "by BIC"', 'name = "the model"', "two .* are called 'the model'"),
        ("rows = 100", "row = 100", "'row'; did you mean 'rows'"),
    ):
        path.write_text(SMALL.replace(old, new))
        with pytest.raises(FormatError, match=message):
            read_structure(path)
    columns, codes = table()
    for names, sets, message in (
        (("plain", "other", "b blockd", "c raised"), ("", "", "b", "c"), "did you mean 'b blockd'"),
        (NAMES, ("a", "", "b", "c"), "'plain'.* acts on 'a': say its level"),
        (NAMES, ("", "", "", "c"), "'b blocked'.* acts on no column"),
    ):
        with pytest.raises(DatasetError, match=message):
            experiments(columns, codes, names, sets, {}, declaration)
