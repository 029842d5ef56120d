"""Recordings of a data set with a label for each step, and the splits of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from mmgraph.data.splits import Fold, grouped_folds, random_folds, train_and_test
from mmgraph.experiments.activities.declaration import ActivitiesDeclaration
from mmgraph.graph.errors import DatasetError, MmgraphError


@dataclass(frozen=True, eq=False)
class LabelledRecordings:
    """Recordings of some people.

    Attributes
    ----------
    signals : dict of str to list of array (steps, channels)
    codes : list of array of int (steps,)
        Places among the labels; -1 where there is none.
    people : ndarray of int
        Of each recording.
    labels : tuple of str
    rate : float
        Steps a second.
    whole : bool
        Whether each recording has one label throughout.
    """

    signals: dict[str, list[np.ndarray]]
    codes: list[Int64[np.ndarray, " steps"]]
    people: Int64[np.ndarray, " recordings"]
    labels: tuple[str, ...]
    rate: float
    whole: bool


def load_recordings(declaration: ActivitiesDeclaration) -> LabelledRecordings:
    """Load the recordings of the people that a declaration names, by default of all.

    Raises
    ------
    DatasetError
        If the data set cannot be had, is none of labelled recordings, or lacks a person, a label or
        a modality.
    FormatError
        If a rule names an unknown label.
    """
    from mmgraph import datasets

    loaded: Any = datasets.load(declaration.dataset)
    if not all(hasattr(loaded, name) for name in ("sequences", "labels", "groups", "rate")):
        raise DatasetError(f"'{declaration.dataset}' is no data set of labelled recordings")
    people = np.asarray(loaded.groups["person"], np.int64)
    whole = isinstance(loaded.labels, np.ndarray)
    if whole:
        labels, of_recordings = np.unique(loaded.labels, return_inverse=True)
        first = next(iter(loaded.sequences.values()))
        codes = [np.full(len(s), c) for s, c in zip(first, of_recordings, strict=True)]
    else:
        labels, codes = loaded.activities, [one.astype(np.int64) for one in loaded.labels]
    asked = declaration.people + declaration.test_people or tuple(np.unique(people).tolist())
    for person in asked:
        if person not in people:
            raise DatasetError(f"'{declaration.dataset}' has no person {person}")
    names = tuple(map(str, labels))
    events, changes = declaration.events, declaration.changepoints
    for label in (
        *declaration.transitions,
        *itertools.chain(*(events.true if events else {}).values()),
    ):
        if label not in names:
            raise DatasetError(f"'{declaration.dataset}' has no label '{label}'")
    for rule in events.rules() if events else ():
        for step in getattr(rule, "steps", ()):
            step.among(names)
    for modality in changes.floors if changes else ():
        if modality not in loaded.sequences:
            raise DatasetError(f"'{declaration.dataset}' has no modality '{modality}'")
    rows = np.flatnonzero(np.isin(people, asked))
    return LabelledRecordings(
        {m: [signals[r] for r in rows] for m, signals in loaded.sequences.items()},
        [codes[r] for r in rows],
        people[rows],
        names,
        float(loaded.rate),
        whole,
    )


def splits_of(
    recordings: LabelledRecordings, declaration: ActivitiesDeclaration, limit: int | None
) -> dict[str, list[Fold]]:
    """Return the folds of each split: of people and of random recordings, or of people named.

    Raises
    ------
    MmgraphError
        If there are fewer folds than asked for.
    """
    people = recordings.people
    if declaration.test_people:
        tested = np.isin(people, declaration.test_people)
        return {"test_people": [(np.flatnonzero(~tested), np.flatnonzero(tested))]}
    count, seed = declaration.folds, declaration.seed
    if limit is not None and limit > count:
        raise MmgraphError(f"{declaration.name} has {count} folds, not {limit}")
    split = {
        "grouped": grouped_folds(people, count, seed),
        "random": random_folds(len(people), count, seed),
    }
    return {name: train_and_test(fold)[:limit] for name, fold in split.items()}
