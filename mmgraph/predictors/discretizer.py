"""A scikit-learn transformer that makes states of measurements, and measurements of states."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np

from mmgraph.data.discretisation.exchange import (
    codes_of,
    column_names,
    measurements,
    named_columns,
    numbers_of,
    target_codes,
    units_of,
    with_numbers,
    with_states,
)
from mmgraph.data.discretisation.intervals import Intervals
from mmgraph.data.discretisation.methods import discretised
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.formats.json_object import JsonObject
from mmgraph.graph.column_reader import is_frame
from mmgraph.graph.errors import (
    FormatError,
    LearningError,
    UnknownVariableError,
    check_choice,
    needs,
    suggestion,
)
from mmgraph.graph.variable import Variable

with needs("data", "scikit-learn", "discretisation"):
    from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted

_KIND, _VERSION = "mmgraph discretizer", 1
_ENCODINGS = ("labels", "codes")


class Discretizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Columns of measurements as states, called by their intervals: ``"[1.2, 3.4)"``.

    Rows are a data frame, a mapping of arrays, an array with two axes or
    :class:`~mmgraph.MultimodalData`, and come back as the same; a frame's columns as ordered
    categories. Missing cells stay missing. Columns that are not cut pass as they are.

    Parameters
    ----------
    method : {"quantile", "equal_width", "hartemink", "entropy"}
        Bins of equally many rows, of equal widths; the bins that keep most of the pairwise mutual
        information of all columns (Hartemink 2001); the bins that tell most of a target, as many as
        pay (Fayyad and Irani 1993).
    bins : int or mapping of str to int
        Of every column, or of each. Not of ``entropy``.
    columns : sequence of str, optional
        Those that are cut; by default all that hold measurements: fractions, or more than ten whole
        numbers. Of an array all, called ``x0``, ``x1``, ….
    target : str, optional
        The column that ``entropy`` cuts for; else it is ``y``, or the target of MultimodalData.
    units : mapping of str to str, optional
        What columns are measured in; by default what the schema of MultimodalData says.
    initial_bins : int
        From how many bins of equally many rows Hartemink's method starts.
    encode : {"labels", "codes"}
        Whether states are called by their labels, or numbered from 0 (-1 where missing).

    Attributes
    ----------
    intervals_ : dict of str to Intervals
        Of each column that was cut: ``cuts``, ``bounds``, ``means``, ``unit``, ``labels``, and the
        ``variable`` whose states they are.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns that it learned from.

    Examples
    --------
    >>> states = mm.Discretizer("hartemink", bins=3).fit_transform(frame)  # doctest: +SKIP
    >>> mm.learn_structure(states)  # doctest: +SKIP
    """

    intervals_: dict[str, Intervals]

    def __init__(
        self,
        method: str = "quantile",
        bins: int | Mapping[str, int] = 3,
        columns: Sequence[str] | None = None,
        target: str | None = None,
        units: Mapping[str, str] | None = None,
        *,
        initial_bins: int = 60,
        encode: str = "labels",
    ) -> None:
        self.method = method
        self.bins = bins
        self.columns = columns
        self.target = target
        self.units = units
        self.initial_bins = initial_bins
        self.encode = encode

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the cuts.

        Parameters
        ----------
        X : data frame, mapping of str to array, array (rows, columns) or MultimodalData
        y : sequence, optional
            The class of each row, for ``entropy``.

        Raises
        ------
        LearningError
            If a column is constant or empty (which), nothing is left to cut, or method, bins and
            target do not fit.
        UnknownVariableError
            If a column is not there.
        EvidenceError
            If a cell is no finite number (column and row).

        Warns
        -----
        BinsWarning
            If a column has fewer bins than were asked for, since its numbers repeat; or tells
            nothing of the target.
        """
        check_choice("encode", self.encode, _ENCODINGS, LearningError)
        data = named_columns(X)
        names = column_names(data)
        codes, target = None, self.target
        if self.method == "entropy":
            codes, target = target_codes(data, self.target, y)
        cut = self._columns_to_cut(data, X is not data, target)
        numbers = numbers_of(data, cut)
        units = {**units_of(data), **(self.units or {})}
        self.intervals_ = discretised(
            numbers,
            self.method,
            self._bins_of(cut),
            _whole("initial_bins", self.initial_bins),
            codes,
            units,
        )
        self._remember(names if X is data else None, len(names))
        return self

    def _columns_to_cut(self, data: Any, unnamed: bool, target: str | None) -> list[str]:
        names = column_names(data)
        if self.columns is None:
            cut = names if unnamed else measurements(data)
            cut = [name for name in cut if name != target]
        else:
            cut = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        bins: Any = self.bins if isinstance(self.bins, Mapping) else {}
        for name in (*cut, *(self.units or {}), *bins):
            if name not in names:
                hint = suggestion(name, names)
                raise UnknownVariableError(f"the data has no column '{name}'{hint}")
        if not cut:
            raise LearningError(
                "no column holds measurements (fractions, or more than ten whole numbers): name "
                "those that are to be cut in `columns`"
            )
        return cut

    def _bins_of(self, cut: Sequence[str]) -> dict[str, int]:
        bins: Any = self.bins
        bins = bins if isinstance(bins, Mapping) else dict.fromkeys(cut, bins)
        for name in cut:
            if name not in bins:
                raise LearningError(f"bins names no number for '{name}'")
        return {name: _whole(f"bins of '{name}'", bins[name]) for name in cut}

    def _remember(self, names: Sequence[str] | None, count: int) -> None:
        self.n_features_in_ = count
        if names is not None:
            self.feature_names_in_ = np.array(names, object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    @property
    def variables(self) -> dict[str, Variable]:
        """The variables whose states the intervals are, by column."""
        check_is_fitted(self)
        return {name: record.variable for name, record in self.intervals_.items()}

    def transform(self, X: Any) -> Any:
        """Return the rows with states in the place of measurements.

        Raises
        ------
        UnknownVariableError
            If a column is not there.
        EvidenceError
            If a cell is no finite number (column and row).
        """
        data = self._named(X)
        numbers = numbers_of(data, self.intervals_)
        states = {n: (r.variable, r.codes(numbers[n])) for n, r in self.intervals_.items()}
        return self._as_given(X, with_states(data, states, self.encode == "codes"))

    def inverse_transform(self, X: Any, by: str = "mean", random_state: int = 0) -> Any:
        """Return the rows with numbers in the place of states.

        Parameters
        ----------
        X : data frame, mapping of str to array, array (rows, columns) or MultimodalData
            Labels of intervals, or their indices if ``encode`` is ``"codes"``.
        by : {"mean", "midpoint", "draw"}
            The mean of the numbers in the interval that it learned from, its middle, or a uniform
            draw; the outer intervals end at the least and the greatest number.
        random_state : int
            The seed of draws.

        Raises
        ------
        UnknownVariableError, UnknownStateError
            If a column is not there, or a cell is no interval (column and row).
        """
        data = self._named(X)
        random = np.random.default_rng(random_state)
        codes = codes_of(data, self.intervals_, self.encode == "codes")
        numbers = {n: r.values(codes[n], by, random) for n, r in self.intervals_.items()}
        return self._as_given(X, with_numbers(data, numbers))

    def _named(self, X: Any) -> Any:
        """Rows by the names of their columns; of an array those that were learned from."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(self.n_features_in_)])
        if is_frame(X) and not hasattr(self, "feature_names_in_"):
            X = np.asarray(X)
        return named_columns(X, list(names))

    def _as_given(self, X: Any, data: Any) -> Any:
        if is_frame(data) or isinstance(X, Mapping | MultimodalData):
            return data
        return np.stack(list(data.values()), axis=1)

    def to_json(self) -> str:
        """Return settings and cuts as JSON, see :meth:`from_json`."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        state = {
            "kind": _KIND,
            "version": _VERSION,
            "settings": self.get_params(),
            "features": self.n_features_in_,
            "names": [] if names is None else names.tolist(),
            "intervals": [asdict(record) for record in self.intervals_.values()],
        }
        return json.dumps(state, indent=2, ensure_ascii=False, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> Discretizer:
        """Return the transformer whose :meth:`to_json` gave a text.

        Raises
        ------
        FormatError
            If it is no such text.
        """
        try:
            state = JsonObject("the discretizer", json.loads(text))
        except (TypeError, ValueError, RecursionError) as error:
            raise FormatError(f"the discretizer: expected JSON ({error})") from None
        if state.get("kind", str) != _KIND or state.get("version", int) != _VERSION:
            raise FormatError(f"{state.where}: expected a {_KIND} of version {_VERSION}")
        try:
            made = cls(**state.get("settings", dict))
            records = [_intervals(item) for item in state.items("intervals")]
        except (TypeError, LearningError) as error:
            raise FormatError(f"{state.where}: {error}") from None
        made.intervals_ = {record.name: record for record in records}
        made._remember(state.names("names") or None, state.get("features", int))
        return made


def _whole(what: str, number: object) -> int:
    """A number of bins."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise LearningError(f"{what} are a whole number, not {number!r}")
    return int(number)


def _plain(setting: object) -> object:
    """A setting as JSON has it: numbers and arrays of numpy as Python's, any mapping as a dict."""
    if isinstance(setting, np.generic | np.ndarray):
        return setting.tolist()
    if isinstance(setting, Mapping):
        return dict(setting)
    if isinstance(setting, Iterable):
        return list(setting)
    raise LearningError(f"the setting {setting!r} cannot be written as JSON")


def _intervals(item: JsonObject) -> Intervals:
    """The intervals of a column, checked."""
    bounds = item.get("bounds", list)
    numbers = [*item.get("cuts", list), *bounds, *item.get("means", list)]
    if len(bounds) != 2 or not all(isinstance(x, int | float) for x in numbers):
        raise FormatError(f"{item.where}: expected numbers in cuts, bounds (two) and means")
    unit = item.members.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise FormatError(f"{item.where}: expected a text as unit")
    return Intervals(
        item.get("name", str),
        tuple(item.get("cuts", list)),
        (bounds[0], bounds[1]),
        tuple(item.get("means", list)),
        unit,
    )
