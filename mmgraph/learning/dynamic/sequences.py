"""Sequences as users give them, read into rows of numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import EvidenceError, UnknownStateError, suggestion
from mmgraph.graph.variable import Variable


class SequenceRows(NamedTuple):
    """The rows of some sequences.

    Attributes
    ----------
    parts : list of ndarray of float64, shape (length, features)
        NaN is missing.
    single : bool
        Whether one sequence was given by itself, and the answer is to be one.
    """

    parts: list[Float64[np.ndarray, "length features"]]
    single: bool

    @property
    def lengths(self) -> list[int]:
        """The number of steps of each."""
        return [len(part) for part in self.parts]

    def answer(self, answers: Sequence[Any]) -> Any:
        """Return answers in a list, or the one of a single sequence."""
        return answers[0] if self.single else list(answers)


def column_names(sequences: object) -> tuple[str, ...] | None:
    """Return the columns of the first data frame among sequences; None where there is none."""
    listed = sequences if isinstance(sequences, list | tuple) else [sequences]
    frame: Any = next((s for s in listed if is_frame(s)), None)
    return None if frame is None else tuple(map(str, frame.columns))


def with_columns(sequences: Any, names: Sequence[str] | None) -> Any:
    """Return sequences whose data frames have these columns, in this order.

    Raises
    ------
    EvidenceError
        If a frame lacks one, or has another: which.
    """
    if names is None:
        return sequences
    if isinstance(sequences, list | tuple):
        return [with_columns(sequence, names) for sequence in sequences]
    if not is_frame(sequences):
        return sequences
    there = list(map(str, sequences.columns))
    for name in (*names, *there):
        if name not in there or name not in names:
            what = "lacks the column" if name not in there else "has the unknown column"
            raise EvidenceError(f"a data frame {what} '{name}'{suggestion(name, names)}")
    return sequences.iloc[:, [there.index(name) for name in names]]


def read_sequences(
    sequences: object, features: int | None = None, scores: bool = False
) -> SequenceRows:
    """Read one sequence, or several of any lengths.

    Parameters
    ----------
    sequences : array-like of shape (length, features), or a list of them
        Arrays, tensors or data frames of numbers; ``(length,)`` where there is one feature. None or
        NaN is missing.
    features : int, optional
        What they must have; by default what the first has.
    scores : bool
        Whether ``-inf`` is allowed, which excludes a state.

    Raises
    ------
    EvidenceError
        If there is none, one is empty or of other features, or a cell is infinite or no number:
        which sequence, step and feature.
    """
    single = hasattr(sequences, "shape") or hasattr(sequences, "columns")
    given = [sequences] if single else list(_iterable(sequences))
    if given and all(cell is None or isinstance(cell, Real) for cell in given):
        given, single = [given], True  # numbers one after another
    if not given:
        raise EvidenceError("there are no sequences")
    parts: list[np.ndarray] = []
    for number, sequence in enumerate(given):
        parts.append(_rows(sequence, number, features, scores))
        features = parts[0].shape[1] if features is None else features
    return SequenceRows(parts, single)


def _rows(
    sequence: object, number: int, features: int | None, scores: bool
) -> Float64[np.ndarray, "length features"]:
    rows = _numbers(sequence, number)
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or not rows.shape[1]:
        raise EvidenceError(
            f"sequence {number} is to be (length, features), not of shape {rows.shape}"
        )
    if not len(rows):
        raise EvidenceError(f"sequence {number} has no steps")
    if features is not None and rows.shape[1] != features:
        flat = np.ndim(sequence) == 1  # type: ignore[arg-type]
        raise EvidenceError(
            f"sequence {number} has {rows.shape[1]} features, and {features} are expected"
            + ("; rows of one sequence are an array, numpy.array(rows)" if flat else "")
        )
    infinite = rows == np.inf if scores else np.isinf(rows)
    if infinite.any():
        step, feature = np.argwhere(infinite)[0]
        raise EvidenceError(f"sequence {number}, step {step}: feature {feature} is infinite")
    return rows


def read_row(row: object, features: int, scores: bool = False) -> Float64[np.ndarray, " features"]:
    """Read one row of a sequence, as :func:`read_sequences`.

    Raises
    ------
    EvidenceError
        If it has other features, or a cell is infinite or no number.
    """
    try:
        cells = np.array(row, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise EvidenceError(f"a row of {features} numbers is needed, not {row!r:.60}") from None
    if len(cells) != features:
        raise EvidenceError(f"a row has {features} finite cells, not {len(cells)}")
    infinite = cells == np.inf if scores else np.isinf(cells)
    if infinite.any():
        raise EvidenceError(f"feature {int(infinite.argmax())} of the row is infinite")
    return cells


def check_ahead(steps: int) -> None:
    """Raise EvidenceError if something is asked of no steps ahead."""
    if steps < 1:
        raise EvidenceError(f"a forecast is of at least one step, not {steps}")


def _iterable(sequences: object) -> Sequence[object]:
    if not isinstance(sequences, list | tuple):
        raise EvidenceError(
            f"sequences are an array of shape (length, features) or a list of them, not "
            f"{type(sequences).__name__}"
        )
    return sequences


def _numbers(sequence: object, number: int) -> np.ndarray:
    if hasattr(sequence, "detach"):
        sequence = sequence.detach().cpu().numpy()
    if is_frame(sequence):  # whose missing cells numpy does not all know
        frame: Any = sequence
        sequence = frame.astype(object).where(frame.notna(), np.nan)
    try:
        if isinstance(sequence, np.ma.MaskedArray):
            sequence = np.ma.filled(sequence.astype(np.float64), np.nan)
        return np.array(sequence, np.float64, order="C")
    except (TypeError, ValueError):
        raise EvidenceError(f"sequence {number} holds {_no_number(sequence)}") from None


def _no_number(sequence: object) -> str:
    """What is no number in a sequence, and what to do about it."""
    for cell in np.asarray(sequence, object).ravel().tolist():
        if isinstance(cell, str):
            how = "numpy.unique(cells, return_inverse=True) numbers categories"
            return f"{cell!r:.40}, which is no number; {how}"
        if not isinstance(cell, Real | list | tuple) and cell is not None:
            return f"{cell!r:.40}, which is no number"
    return "rows of different lengths"


def read_modalities(
    sequences: Mapping[str, object],
    widths: Mapping[str, int | None],
    scores: Collection[str] = (),
) -> SequenceRows:
    """Read sequences of several modalities, which are put side by side.

    Parameters
    ----------
    sequences : mapping of str to sequences
        Of each modality as for :func:`read_sequences`; None in place of a sequence, or of all of
        them, where the modality is missing.
    widths : mapping of str to int
        The features of every modality, in order; None where they are not known yet.
    scores : collection of str
        The modalities in which ``-inf`` is allowed.

    Raises
    ------
    EvidenceError
        If a modality is not among them, all are missing, numbers of sequences or lengths within
        one differ, or as for :func:`read_sequences`: which modality.
    """
    for name in sequences:
        if name not in widths:
            raise EvidenceError(f"no modality is called {name!r}{suggestion(name, widths)}")
    read: dict[str, dict[int, np.ndarray]] = {}
    single, counts = False, dict[str, int]()
    for name, given in sequences.items():
        if given is None:
            continue
        listed = list(given) if isinstance(given, list | tuple) else [given]
        single, counts[name] = not isinstance(given, list | tuple), len(listed)
        try:
            read[name] = {
                number: _rows(sequence, number, widths[name], name in scores)
                for number, sequence in enumerate(listed)
                if sequence is not None
            }
        except EvidenceError as error:
            raise EvidenceError(f"modality '{name}': {error}") from None
    if len(set(counts.values())) > 1:
        raise EvidenceError(f"modalities are of as many sequences each, not {counts}")
    count = max(counts.values(), default=0)
    if not count:
        raise EvidenceError("there are no sequences")
    return SequenceRows([_beside(read, widths, number) for number in range(count)], single)


def _beside(
    read: Mapping[str, Mapping[int, np.ndarray]], widths: Mapping[str, int | None], number: int
) -> Float64[np.ndarray, "length features"]:
    """The rows of one sequence, those of its modalities side by side."""
    lengths = {name: len(rows[number]) for name, rows in read.items() if number in rows}
    if not lengths:
        raise EvidenceError(f"sequence {number} has no modality at all")
    if len(set(lengths.values())) > 1:
        raise EvidenceError(f"sequence {number}: its modalities differ in length: {lengths}")
    length = next(iter(lengths.values()))
    parts = []
    for name, width in widths.items():
        if name in lengths:
            parts.append(read[name][number])
        elif width is None:
            raise EvidenceError(f"modality '{name}' is missing in sequence {number}, and its width")
        else:
            parts.append(np.full((length, width), np.nan))
    return np.concatenate(parts, 1)


def read_labels(
    labels: object, lengths: Sequence[int], states: Sequence[Any]
) -> list[Int64[np.ndarray, " length"]]:
    """Read the states of steps, known or not.

    Parameters
    ----------
    labels : sequence of array-like
        For each sequence the states of its steps, as :class:`StateLabels` reads cells; None, NaN
        and -1, unless a state is called that, are unknown.
        Of a single sequence they may stand by themselves.
    lengths : sequence of int
        Of the sequences.
    states : sequence of label

    Raises
    ------
    EvidenceError
        If lengths do not match, or there is no such state: which sequence and step.
    """
    given: list[Any] = [labels] if hasattr(labels, "shape") else list(_iterable(labels))
    if len(lengths) == 1 and given and not any(np.ndim(steps) for steps in given):
        given = [given]  # those of one sequence, which was given by itself
    if len(given) != len(lengths):
        raise EvidenceError(
            f"there are labels for {len(given)} sequences, and {len(lengths)} of them"
        )
    reader = Variable("state", tuple(states)).reader
    read = []
    for number, (steps, length) in enumerate(zip(given, lengths, strict=True)):
        cells = np.asarray(steps, object)
        if cells.ndim != 1:
            raise EvidenceError(
                f"sequence {number}: labels are (length,), not of shape {cells.shape}"
            )
        if len(cells) != length:
            raise EvidenceError(
                f"sequence {number} has {length} steps, and its labels are {len(cells)}"
            )
        codes = np.empty(length, np.int64)
        for step, cell in enumerate(cells.tolist()):
            try:
                codes[step] = reader.read(cell)
            except UnknownStateError as error:
                raise EvidenceError(f"sequence {number}, step {step}: {error}") from None
        read.append(codes)
    return read
