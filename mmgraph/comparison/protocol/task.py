"""One fit of a comparison, and what is asked of it: the unit of work, and of what is kept."""

from __future__ import annotations

import contextlib
import copy
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmgraph.comparison.conditions.disturbance import LEVELS, disturbed
from mmgraph.comparison.costs.measuring import measured_apart
from mmgraph.comparison.costs.parameter_count import parameter_count
from mmgraph.comparison.held_out import Situation
from mmgraph.comparison.results import Condition
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.graph.errors import LearningError, MissingExtraError, MmgraphError, needs

Question = tuple[Situation, Condition]
"""The modalities that are there at test time, and what is disturbed."""


@dataclass(frozen=True, eq=False)
class Task:
    """A model, the rows that it learns from, and questions about those that it is tested on.

    Attributes
    ----------
    name : str
        Of its file; it begins with the model, split and fold.
    text : str
        What progress says.
    model : str
    predictor : Predictor
        Not yet fitted; a copy learns.
    split : int
        The place of its data among those of the splits.
    fold : int
    training, test : ndarray
        Rows of these data.
    modalities : tuple of str
        Those that the model is fitted to.
    questions : tuple of Question
    seed : int
        Of what is disturbed.
    digest : str
        Of all that the answers depend on.
    """

    name: str
    text: str
    model: str
    predictor: Any = field(repr=False)
    split: int
    fold: int
    training: Int64[np.ndarray, " training"]
    test: Int64[np.ndarray, " test"]
    modalities: Situation
    questions: tuple[Question, ...]
    seed: int
    digest: str = ""


class Outcome(NamedTuple):
    """What a task came to.

    Attributes
    ----------
    tables : ndarray, shape (questions, test rows, classes)
        The probabilities, zero of questions that failed; of a fit that failed there are none.
    costs : mapping of str to float
        ``train_seconds``: CPU time of the fit and of the first answer, to one row, for which some
        models learn still, without what a process imports and compiles once; ``rows_per_second`` of
        CPU time, given all modalities; ``parameters``; of :data:`COSTS` ``peak_bytes`` alone.
    failures : mapping of int to str
        Why a question, by its place, is not answered; of the fit -1.
    lasting : bool
        Whether failures would be the same another time.
    """

    tables: Float64[np.ndarray, "questions rows classes"]
    costs: Mapping[str, float]
    failures: Mapping[int, str]
    lasting: bool = True


FIT = -1
"""The place of the fit among what may fail."""
COSTS = Condition("costs")
"""Of a task whose fit is measured in a process of its own, and not asked."""
WARMING = 4
"""Of each class so many rows are learned from before anything is measured."""
_WARM: set[tuple[object, ...]] = set()
_NO_TABLES = np.zeros((0, 0, 0))


def outcome_of(task: Task, data: MultimodalData) -> Outcome:
    """Fit the model of a task, and ask it; what fails is named, and the rest goes on."""
    data = _with_modalities(data, task.modalities)
    training = data.rows(task.training)
    if task.questions[0][1] == COSTS:
        return _measured(task.predictor, training)
    with _quietly_on_one_thread():
        return _answered(task, data, training, data.rows(task.test))


def _answered(
    task: Task, data: MultimodalData, training: MultimodalData, test: MultimodalData
) -> Outcome:
    _warm_up(task, training)
    began = time.process_time()
    try:
        fitted = copy.deepcopy(task.predictor).fit(training)
    except Exception as error:
        return _unfitted(error, _lasts(error))
    with contextlib.suppress(Exception):  # the questions tell; some models learn when first asked
        fitted.predict_proba(test.rows(slice(0, 1)), given=task.modalities)
    costs = {"train_seconds": time.process_time() - began, "parameters": parameter_count(fitted)}
    shape = (len(task.questions), len(test), data.target.cardinality)
    tables, failures, lasting = np.zeros(shape), {}, True
    for place, (given, condition) in enumerate(task.questions):
        try:
            rows = test
            if condition.kind in LEVELS:
                rows = disturbed(test, condition, training, task.seed)
            began = time.process_time()
            said = fitted.predict_proba(rows, given=given)
            if place == 0:  # of all modalities, as they are
                costs["rows_per_second"] = len(test) / max(time.process_time() - began, 1e-6)
            tables[place] = _checked(said, fitted, data)
        except Exception as error:
            failures[place] = _said(error)
            lasting &= _lasts(error)
    return Outcome(tables, costs, failures, lasting)


def _warm_up(task: Task, training: MultimodalData) -> None:
    """Fit and ask a model of some rows, once in a process: what it imports and compiles is no cost.

    Of each class there are :data:`WARMING`; if these are too few, the fit itself will tell.
    """
    blocks = (type(block) for block in training.blocks.values())
    kind = (task.model, type(task.predictor), *blocks)
    if kind in _WARM:
        return
    _WARM.add(kind)
    codes = training.codes
    few = np.concatenate([np.flatnonzero(codes == code)[:WARMING] for code in np.unique(codes)])
    with contextlib.suppress(Exception):
        rows = training.rows(few).without_groups()
        copy.deepcopy(task.predictor).fit(rows).predict_proba(rows, given=task.modalities)


def _measured(predictor: Any, training: MultimodalData) -> Outcome:
    """The memory of a fit in a process of its own; that one is killed need not happen again."""
    try:
        failure, _, peak = measured_apart(_failure_of_fit, predictor, training)
    except Exception as error:
        return _unfitted(error, lasting=False)
    return failure or Outcome(_NO_TABLES, {"peak_bytes": peak}, {})


def _failure_of_fit(predictor: Any, training: MultimodalData) -> Outcome | None:
    with _quietly_on_one_thread():
        try:
            predictor.fit(training)
        except Exception as error:
            return _unfitted(error, _lasts(error))
    return None


def _unfitted(error: Exception, lasting: bool) -> Outcome:
    return Outcome(_NO_TABLES, {}, {FIT: _said(error)}, lasting)


@contextlib.contextmanager
def _quietly_on_one_thread() -> Iterator[None]:
    """Without warnings, which count the rows of a fold; sums are of one order, whatever runs."""
    with needs("data", "scikit-learn", "comparisons"):
        from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, MmgraphError) else f"{type(error).__name__}: {error}"


def _lasts(error: Exception) -> bool:
    """Whether an error is of the model and the data, not of what is installed, memory or files."""
    passing = (MissingExtraError, ImportError, MemoryError, torch.OutOfMemoryError, OSError)
    return not isinstance(error, passing)


def _with_modalities(data: MultimodalData, modalities: Situation) -> MultimodalData:
    """Data that have some modalities alone, as if the others had never been measured."""
    if modalities == data.modalities:
        return data
    return replace(data, blocks={m: data.blocks[m] for m in modalities})


def _checked(said: Any, fitted: Any, data: MultimodalData) -> Float64[np.ndarray, "rows classes"]:
    """Probabilities in the order of the target's labels; a class that a model does not know has
    none.
    """
    labels = list(map(str, data.target.labels))
    classes = [str(label) for label in np.asarray(getattr(fitted, "classes_", labels)).tolist()]
    table = np.asarray(said, np.float64)
    if table.ndim != 2 or table.shape[1] != len(classes):
        raise LearningError(f"answers are of shape {table.shape}, not (rows, {len(classes)})")
    unknown = [label for label in classes if label not in labels]
    if unknown:
        raise LearningError(f"it tells the class '{unknown[0]}', none of {', '.join(labels)}")
    wrong = np.flatnonzero(~np.isfinite(table).all(1) | (table < 0).any(1) | (table.sum(1) <= 0))
    if len(wrong):
        answer = table[wrong[0]].tolist()
        raise LearningError(f"test row {wrong[0]} is answered by {answer}, no probabilities")
    placed = np.zeros((len(table), len(labels)))
    placed[:, [labels.index(label) for label in classes]] = table / table.sum(1, keepdims=True)
    return placed
