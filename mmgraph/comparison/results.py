"""What is kept of a comparison: what each model says of held-out rows, in each condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64


class Condition(NamedTuple):
    """In what the question differs from the plain one, of rows as they are.

    Attributes
    ----------
    kind : str
        ``"none"``; ``"refitted"`` (the same kind of model fitted on the given modalities alone);
        ``"noise"`` (Gaussian, on one modality at test time), ``"cells"`` and ``"rows"`` (cells of
        it, or it in whole rows, dropped at random); ``"labels"`` (a share of the training rows).
    modality : str
        Which one is disturbed.
    level : float
        Standard deviations of noise, or a share; of training rows the one reached, over all folds.
    """

    kind: str = "none"
    modality: str = ""
    level: float = 0.0


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model says of the tested rows of one split, in one condition.

    Attributes
    ----------
    model : str
        As it was asked for.
    family : str
        ``"graphical"``, ``"deep"``, ``"hybrid"`` or ``"reference"``.
    split : str
        ``"random"`` or ``"grouped"``.
    given : tuple of str
        The modalities that were there.
    condition : Condition
    probabilities : ndarray, shape (tested rows, classes)
        Rows as in :attr:`Tested.rows`.
    costs : mapping of str to float
        Of the fit that answers: ``train_seconds`` (CPU, without imports and compilation) and
        ``rows_per_second``; of the plain condition also ``peak_bytes`` and ``parameters``; means
        over folds, but of the memory, which is that of the first.
    settings : tuple of mapping
        Of each fold, what the inner folds have chosen.
    failed_folds : int
        Of how many folds the answers are the shares of the classes, since the model has none.
    """

    model: str
    family: str
    split: str
    given: tuple[str, ...]
    condition: Condition
    probabilities: Float64[np.ndarray, "rows classes"]
    costs: Mapping[str, float] = field(default_factory=dict)
    settings: tuple[Mapping[str, object], ...] = ()
    failed_folds: int = 0


@dataclass(frozen=True, eq=False)
class Tested:
    """The rows of one split that were tested.

    Attributes
    ----------
    split : str
    rows : ndarray
        Their places in the data, in the order of the folds.
    codes, folds : ndarray, shape (rows,)
        The class of each, and its fold.
    groups : ndarray or None
        What each belongs to, where rows belong together: by these intervals are reckoned, also of
        random folds, which tear groups apart.
    training_rows : tuple of int
        How many rows each fold learned from.
    absent : tuple of tuple of str
        Of each fold, the classes that are in none of these.
    shares : ndarray, shape (folds, classes), optional
        Of each fold, the shares of the classes among them: the answers given nothing.
    recordings : ndarray, shape (rows,), optional
        What each row is a window of, where rows are windows of :func:`mmgraph.windows`.
    """

    split: str
    rows: Int64[np.ndarray, " rows"]
    codes: Int64[np.ndarray, " rows"]
    folds: Int64[np.ndarray, " rows"]
    groups: Int64[np.ndarray, " rows"] | None
    training_rows: tuple[int, ...]
    absent: tuple[tuple[str, ...], ...] = ()
    shares: Float64[np.ndarray, "folds classes"] | None = None
    recordings: Int64[np.ndarray, " rows"] | None = None


class Failure(NamedTuple):
    """A fit, or a question to it, that ended with an error.

    The answers to the rows of this fold are the shares of the classes among its training rows then,
    if there are answers of another fold; else there are none.

    Attributes
    ----------
    model, split : str
    fold : int
        From 0 on.
    message : str
        What the error says.
    given : tuple of str
        The modalities that were there; none where the fit failed.
    condition : Condition
    """

    model: str
    split: str
    fold: int
    message: str
    given: tuple[str, ...] = ()
    condition: Condition = Condition()


@dataclass(frozen=True)
class About:
    """What was compared, and how.

    Attributes
    ----------
    title, target : str
    classes, modalities : tuple of str
    rows : int
        Of the data.
    groups : str or None
        What a group is, where rows belong together.
    folds, inner_folds, seed : int
    settings : mapping of str to tuple of mapping
        By model, those that the inner folds choose from; fewer than two where nothing is chosen.
    """

    title: str
    target: str
    classes: tuple[str, ...]
    modalities: tuple[str, ...]
    rows: int
    groups: str | None
    folds: int
    inner_folds: int
    seed: int
    settings: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)
