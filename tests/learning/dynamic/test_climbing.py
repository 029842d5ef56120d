"""The loop of EM: when it ends, what it says, and how it goes on."""

import warnings

import numpy as np
import pytest

from mmgraph.graph.errors import ConvergenceWarning, FormatError, LearningError
from mmgraph.learning.dynamic.climbing import Ascent, ClimbOptions, climb


def halfway(goal):
    """An iteration that goes half the way to a goal; the objective is -|distance| - 1."""

    def ascend(place):
        objective = -abs(float(place[0]) - goal) - 1
        return Ascent(objective - 1, objective, (place + goal) / 2)

    return ascend


def run(ascend, first=lambda restart: np.zeros(1), **settings):
    return climb(
        first, ascend, ClimbOptions(**settings), lambda p: {"place": p}, lambda a: a["place"], 7
    )


def test_it_ends_where_the_objective_rises_by_less_than_the_tolerance():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, report = run(halfway(8.0), tolerance=1e-3)
    rises = np.diff(report.objectives)
    sizes = np.abs(report.objectives[:-1]) + 1
    assert rises[-1] < 1e-3 * sizes[-1] <= rises[-2] * sizes[-1] / sizes[-2]
    assert report.converged
    assert report.rows == 7
    np.testing.assert_allclose(report.log_likelihoods, np.array(report.objectives) - 1)
    np.testing.assert_allclose(report.objectives[-1], -abs(found[0] - 8) - 1)


def test_it_says_that_it_ended_early():
    with pytest.warns(ConvergenceWarning, match="ended after 3 iterations"):
        found, report = run(halfway(8.0), iterations=3)
    assert len(report.objectives) == 4  # of the first values, too
    assert not report.converged
    np.testing.assert_allclose(found, [7])


def test_a_fall_is_said_and_undone():
    def ascend(place):
        return Ascent(0.0, [-100.0, -50, -40, -41.5, 0][int(place[0])], place + 1)

    with pytest.warns(ConvergenceWarning, match=r"fell by 1\.5 at iteration 3"):
        found, report = run(ascend)
    np.testing.assert_array_equal(found, [2])
    assert report.objectives == (-100, -50, -40)


def test_rounding_is_no_fall():
    def ascend(place):
        return Ascent(0.0, -1e6 - 1e-4 * float(place[0]), place + 1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(ascend)[1].converged


def test_the_best_restart_is_returned():
    def ascend(place):
        return Ascent(0.0, -abs(float(place[0]) - 2), place)

    found, report = run(ascend, lambda restart: np.array([float(restart)]), restarts=4)
    np.testing.assert_array_equal(found, [2])
    assert report.restart == 2
    assert report.restarts == (-2, -1, 0, -1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_objective_that_is_no_number_is_an_error(bad):
    with pytest.raises(LearningError, match=f"the objective is {bad} at iteration 0"):
        run(lambda place: Ascent(0.0, bad, place))


@pytest.mark.parametrize("restarts", [1, 3])
@pytest.mark.filterwarnings("ignore:expectation maximisation ended")
def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path, restarts):
    def first(restart):
        return np.array([float(restart)])

    settings = {"restarts": restarts, "iterations": 6, "tolerance": 0.0}
    whole, report = run(halfway(9.3), first, **settings)
    calls = []

    def progress(restart, iteration, objective):
        calls.append((restart, iteration, objective))
        if len(calls) == 7 * restarts - 3:
            raise KeyboardInterrupt

    settings["checkpoint"] = tmp_path
    with pytest.raises(KeyboardInterrupt):
        run(halfway(9.3), first, progress=progress, **settings)
    done = len(calls)
    found, again = run(halfway(9.3), first, progress=progress, **settings)
    np.testing.assert_array_equal(found, whole)
    assert again.objectives == report.objectives
    assert again.restarts == report.restarts
    assert len(calls) - done <= 4  # what was done is not done again
    with pytest.raises(FormatError, match="the data differ"):
        run(halfway(9.3), first, belongs_to={"data": "other"}, **settings)


def test_a_run_that_converged_goes_on_to_a_smaller_tolerance(tmp_path):
    run(halfway(9.3), tolerance=1e-1, checkpoint=tmp_path)
    found, report = run(halfway(9.3), tolerance=1e-6, checkpoint=tmp_path)
    whole, once = run(halfway(9.3), tolerance=1e-6)
    np.testing.assert_array_equal(found, whole)
    assert report.objectives == once.objectives
    assert run(halfway(9.3), tolerance=1e-1, checkpoint=tmp_path)[1].converged


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iterations": 0}, "iterations are at least 1, not 0"),
        ({"restarts": 0}, "restarts are at least 1, not 0"),
        ({"tolerance": -1.0}, "not negative, as -1.0 is"),
        ({"tolerance": np.nan}, "not negative, as nan is"),
    ],
)
def test_bad_options_are_named(settings, message):
    with pytest.raises(LearningError, match=message):
        ClimbOptions(**settings)
