"""What an effect compares: settings of treatments, and how an outcome is made a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from mmgraph.causal.estimation.estimators.sample import Sample, standardised
from mmgraph.graph.errors import CausalError, EvidenceError
from mmgraph.graph.value_evidence import value_tensor
from mmgraph.graph.variable import Label, Variable

Settings = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Contrast:
    """An outcome under two settings of the same treatments.

    Attributes
    ----------
    outcome : Variable
    scores : Tensor or None
        A number for each state of the outcome; None where it is continuous.
    active, baseline : dict of str to label or float
        What the treatments are set to, and what that is compared with.
    measure : str
        What is compared, in words: ``P(y=yes)`` or ``the mean of y``.
    """

    outcome: Variable
    scores: Float64[Tensor, " states"] | None
    active: Settings
    baseline: Settings
    measure: str

    def __post_init__(self) -> None:
        if self.outcome.name in self.active:
            raise CausalError(f"the effect of '{self.outcome.name}' on itself is no question")
        if self.active == self.baseline:
            raise CausalError(f"{words(self.active)} is compared with itself")

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variables that are set."""
        return tuple(self.active)

    def values(self, sample: Sample) -> Float64[Tensor, " cells"]:
        """Return the outcome of each distinct row as a number."""
        column = sample.columns[self.outcome.name]
        return column if self.scores is None else self.scores[column]

    def arms(self, sample: Sample) -> Int64[Tensor, " cells"]:
        """Return 1 where the treatments are as set, 0 where as at the baseline, else -1.

        Raises
        ------
        LearningError
            If a treatment is the same in every row.
        """
        for name in self.treatments:
            sample.check_varies(name)
        arms = torch.full((len(sample.counts),), -1)
        arms[sample.agrees(self.baseline)] = 0
        arms[sample.agrees(self.active)] = 1
        return arms

    def changes(self, sample: Sample) -> tuple[Float64[Tensor, "cells treatments"], Tensor]:
        """Return treatments as numbers, those with states as 0 and 1, and how far each is set."""
        columns, steps = [], []
        for name in self.treatments:
            sample.check_varies(name)
            variable, column = sample.variables[name], sample.columns[name]
            if not variable.is_discrete:
                centred, scale = standardised(column)
                columns.append(centred)
                steps.append((float(self.active[name]) - float(self.baseline[name])) / scale)
                continue
            states = [variable.code(s[name]) for s in (self.baseline, self.active)]
            if states[0] != states[1] and not bool(torch.isin(column, torch.tensor(states)).all()):
                raise CausalError(
                    f"'{name}' has {variable.cardinality} states; beside continuous variables and "
                    "instruments a treatment is continuous, or has two"
                )
            columns.append((column == states[1]).double())
            steps.append(float(states[0] != states[1]))
        return torch.stack(columns, 1), torch.tensor(steps, dtype=torch.float64)

    @property
    def outcome_range(self) -> tuple[float, float]:
        """The least and the largest mean; a CausalError where the outcome is continuous."""
        if self.scores is None:
            raise CausalError(
                f"'{self.outcome.name}' is continuous, so that nothing bounds its mean; bounds "
                "need an outcome with states"
            )
        return float(self.scores.min()), float(self.scores.max())


def words(settings: Mapping[str, Any]) -> str:
    """Return settings as text: ``x=1, z=no``."""
    return ", ".join(f"{name}={state}" for name, state in settings.items())


def contrast(
    variables: Mapping[str, Variable],
    outcome: str | Mapping[str, Any],
    do: str | Mapping[str, Any],
    baseline: Mapping[str, Any] | None = None,
    scores: Mapping[Any, float] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Contrast:
    """Return what is compared, its states looked up; ``fixed`` are set in both settings.

    Raises
    ------
    UnknownStateError, EvidenceError
        If a treatment or the outcome has no such state.
    CausalError
        If the outcome is set itself, a baseline is needed, or the outcome is no number yet.
    """
    if isinstance(do, str):
        do, baseline = _by_name(variables[do], baseline)
    active = {name: _setting(variables[name], state) for name, state in do.items()}
    for name in baseline or {}:
        if name not in active:
            raise CausalError(f"the baseline names '{name}', which is not set")
    compared = {
        name: _setting(variables[name], baseline[name])
        if baseline and name in baseline
        else _other_state(variables[name], active[name])
        for name in active
    }
    held = {name: _setting(variables[name], state) for name, state in (fixed or {}).items()}
    name, state = outcome_of(outcome)
    variable = variables[name]
    numbers, measure = _measure(variable, state, scores)
    return Contrast(variable, numbers, active | held, compared | held, measure)


def outcome_of(outcome: str | Mapping[str, Any]) -> tuple[str, Any]:
    """Return an outcome's name, and the state that counts (None where none is named)."""
    if isinstance(outcome, str):
        return outcome, None
    if not isinstance(outcome, Mapping) or len(outcome) != 1:
        raise CausalError(f"an outcome is a name, or one with its state, not {outcome!r}")
    return next(iter(outcome.items()))


def _by_name(
    variable: Variable, baseline: Mapping[str, Any] | None
) -> tuple[Settings, Mapping[str, Any]]:
    """The settings that a treatment's name alone stands for: its last state, or one unit more."""
    if not variable.is_discrete:
        return {variable.name: 1.0}, baseline or {variable.name: 0.0}
    if variable.cardinality > 2 and not baseline:
        raise CausalError(
            f"'{variable.name}' has {variable.cardinality} states: say which is set, and which it "
            f"is compared with: do={{'{variable.name}': …}}, baseline={{'{variable.name}': …}}"
        )
    return {variable.name: variable.labels[-1]}, baseline or {}


def _setting(variable: Variable, value: object) -> Label:
    """A state's label, or a finite number."""
    if variable.is_discrete and not variable.shape:
        code = variable.code(value)
        if code < 0:
            raise EvidenceError(f"'{variable.name}' is set to {value!r}, a missing value")
        return variable.labels[code]
    if variable.shape or not variable.is_real:
        raise CausalError(f"'{variable.name}' is no single state or number that could be set")
    number = float(value_tensor(variable, [value])[0])
    if not math.isfinite(number):
        raise EvidenceError(f"'{variable.name}' is set to {value!r}, which is no finite number")
    return number


def _other_state(variable: Variable, state: Label) -> Label:
    if not variable.is_discrete or variable.cardinality != 2:
        raise CausalError(
            f"what is {variable.name}={state} compared with? Say baseline={{'{variable.name}': …}} "
            f"(--baseline {variable.name}=…)"
        )
    return next(label for label in variable.labels if label != state)


def _measure(
    variable: Variable, state: object, scores: Mapping[Any, float] | None
) -> tuple[Float64[Tensor, " states"] | None, str]:
    """A number for each state of an outcome, and what their mean is."""
    name = variable.name
    if not variable.is_discrete:
        if state is not None or scores is not None:
            raise CausalError(f"'{name}' is continuous: it has no states that count")
        return None, f"the mean of {name}"
    if scores is not None:
        numbers = torch.full((variable.cardinality,), math.nan, dtype=torch.float64)
        for label, score in scores.items():
            numbers[variable.code(label)] = score
        if not bool(numbers.isfinite().all()):
            lacking = variable.labels[int((~numbers.isfinite()).double().argmax())]
            raise CausalError(f"the scores of '{name}' have no finite number for {lacking!r}")
        return numbers, f"the mean of {name} by its scores"
    labels = variable.labels
    numeric = all(isinstance(label, int | float) for label in labels)
    if state is None and numeric and not isinstance(variable.states, int):
        return torch.tensor(labels, dtype=torch.float64), f"the mean of {name}"
    if state is None and len(labels) > 2:
        raise CausalError(
            f"'{name}' has {len(labels)} states: say which one counts ({{'{name}': "
            f"{labels[-1]!r}}}), or give each a number by scores"
        )
    code = variable.cardinality - 1 if state is None else variable.code(state)
    counts = torch.arange(variable.cardinality) == code
    return counts.double(), f"P({name}={labels[code]})"
