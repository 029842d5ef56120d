"""The training of a Boltzmann machine from data: first numbers, the objective by name, units."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.bias import BiasFactor
from mmgraph.inference.devices import check_device
from mmgraph.learning.boltzmann.objectives.fine_tuning import FineTuning
from mmgraph.learning.boltzmann.objectives.multi_prediction import MultiPrediction
from mmgraph.learning.boltzmann.objectives.prediction_rows import prediction_rows
from mmgraph.learning.boltzmann.objectives.prediction_settings import (
    PredictionRows,
    PredictionSettings,
)
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.boltzmann.training.loop import ObjectiveMaker, Progress, TrainingReport, train
from mmgraph.learning.boltzmann.training.pretraining import pretrain
from mmgraph.learning.boltzmann.training_rows import (
    TrainingRows,
    check_same_layers,
    document_lengths,
)
from mmgraph.networks.boltzmann.start import start
from mmgraph.networks.boltzmann.units import Units

if TYPE_CHECKING:
    from mmgraph.networks.boltzmann.machine import BoltzmannMachine

OBJECTIVES = ("contrastive_divergence", "multi_prediction", "fine_tuning")
AUTO = "auto"
"""What an option is that is left to its default."""

MULTI_PREDICTION_DEFAULTS: Mapping[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 0.003,
    "schedule": "cosine",
    "momentum": 0.9,
    "gradient_bound": 5.0,
}
"""Defaults of multi-prediction: plain gradient descent is far from done when its epochs end."""
LIKELIHOOD_DEFAULTS: Mapping[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 0.01,
    "schedule": "linear",
    "momentum": 0.9,
}
"""Those of the log-likelihood. Where there are word counts or several hidden layers, chains begin
at the data, too."""
_LEAST_STEPS = 500
"""The steps for which epochs are made where nobody says how many: of small tables more."""
_LEAST_BATCHES = 8
"""The batches into which a small table is cut at least."""
_FIRST_WEIGHTS = 0.1
"""Standard deviation of first weights with those defaults, but for word counts, which are large."""
_PRETRAINED_RATE = 0.003
"""The learning rate of a machine that was pretrained."""


@dataclass(frozen=True)
class FitOptions:
    """How a machine is fitted.

    Parameters
    ----------
    settings : TrainingSettings
        Of the loop. Given as single options or a mapping, they have the defaults of
        :data:`MULTI_PREDICTION_DEFAULTS` or :data:`LIKELIHOOD_DEFAULTS` unless they name an
        optimiser; those of the log-likelihood also epochs and a batch size that suit the number of
        rows (see :func:`suited_to_rows`).
    objective : {"contrastive_divergence", "multi_prediction", "fine_tuning"}
        The log-likelihood by persistent chains; the prediction of what is hidden from the rest; the
        prediction of the labels alone, which starts from the machine as it is.
    prediction : tuple of PredictionRows
        Of the last two. :meth:`BoltzmannMachine.fit` takes :class:`PredictionSettings`, or a
        mapping as of :func:`prediction_rows`; of fine-tuning the
        first counts. Without any, the objectives' own defaults hold.
    pretrain : "greedy" or None
        Whether restricted machines are trained first, one after another; so they are by default
        where a machine of several hidden layers has the defaults of the log-likelihood.
    pretraining : TrainingSettings, optional
        Of those; by default ``settings``.
    warm_start : bool, optional
        Whether training goes on from the machine's numbers; by default for fine-tuning only.
    standardise : bool, default True
        Whether real variables are trained on in units of their standard deviation, Gaussian ones
        from their mean on.
    weight_scale : float, optional
        The standard deviation of first weights, of standardised variables. By default 0.01 (0.1
        with the defaults of the log-likelihood, unless there are word counts), and where
        predictions are propagated back a scale at which signals do not fade.
    device : str or torch.device, optional
        Where to train, and where the machine then stays; by default where it is.

    Raises
    ------
    LearningError
        If an option is unknown or out of its range.
    """

    settings: TrainingSettings = field(default_factory=TrainingSettings)
    objective: str = "contrastive_divergence"
    prediction: tuple[PredictionRows, ...] = ()
    pretrain: str | None = None
    pretraining: TrainingSettings | None = None
    warm_start: bool | None = None
    standardise: bool = True
    weight_scale: float | None = None
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            hint = suggestion(self.objective, OBJECTIVES)
            raise LearningError(
                f"unknown objective {self.objective!r}{hint} (known: {', '.join(OBJECTIVES)})"
            )
        if self.pretrain not in (None, "greedy"):
            raise LearningError(f"pretrain is 'greedy' or None, not {self.pretrain!r}")
        scale = self.weight_scale
        if scale is not None and not 0 < scale < torch.inf:
            raise LearningError(f"weight_scale must be positive, not {scale}")
        check_device("auto" if self.device is None else self.device)

    @property
    def sweeps(self) -> int | None:
        """The sweeps of mean field that predictions were trained with; None of other objectives."""
        if self.objective == "contrastive_divergence":
            return None
        return (
            self.prediction[0].settings.sweeps if self.prediction else PredictionSettings().sweeps
        )

    @property
    def goes_on(self) -> bool:
        """Whether the machine's numbers are the start."""
        return self.objective == "fine_tuning" if self.warm_start is None else self.warm_start


def named_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not left to their defaults."""
    return {n: v for n, v in given.items() if not (isinstance(v, str) and v == AUTO)}


def fit_options(
    usual: Mapping[str, Any] | None,
    settings: TrainingSettings | Mapping[str, Any] | None,
    options: Mapping[str, Any],
    machine: BoltzmannMachine | None = None,
    rows: int | None = None,
) -> FitOptions:
    """Return the options: those of the call win over those that the machine was made with.

    Parameters
    ----------
    usual, options : mapping
        Of the machine, and of the call.
    settings : TrainingSettings or mapping, optional
        Settings that are given whole have no defaults.
    machine : BoltzmannMachine, optional
    rows : int, optional
        What is trained, and on how many rows: defaults depend on it.

    Raises
    ------
    LearningError
        If an option is unknown, with the nearest known one.
    """
    known = [f.name for f in fields(FitOptions)]
    training = [f.name for f in fields(TrainingSettings)]
    given: dict[str, Any] = dict(usual or {})
    if settings is not None:
        given = {k: v for k, v in given.items() if k not in training} | {"settings": settings}
    given = named_options({**given, **options})
    single = {k: given.pop(k) for k in list(given) if k in training}
    for name in given:
        if name not in known:
            hint = suggestion(name, [*known, *training])
            raise LearningError(f"fit has no option {name!r}{hint}")
    base = given.pop("settings", None)
    whole = base.as_dict() if isinstance(base, TrainingSettings) else dict(base or {})
    if isinstance(given.get("prediction"), Mapping):
        given["prediction"] = prediction_rows(given["prediction"])
    elif isinstance(given.get("prediction"), PredictionSettings):
        given["prediction"] = (PredictionRows(1.0, given["prediction"]),)
    if isinstance(given.get("pretraining"), Mapping):
        given["pretraining"] = TrainingSettings.of(given["pretraining"])
    chosen = whole | single
    if given.get("objective") == "multi_prediction" and "optimiser" not in chosen:
        given.setdefault("pretraining", TrainingSettings.of(chosen))  # that is no multi-prediction
        chosen = {**MULTI_PREDICTION_DEFAULTS, **chosen}
    elif given.get("objective", OBJECTIVES[0]) == OBJECTIVES[0] and "optimiser" not in chosen:
        given, chosen = _with_likelihood_defaults(given, chosen, machine, rows)
    return FitOptions(settings=TrainingSettings.of(chosen), **given)


def suited_to_rows(settings: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return settings of training with epochs and a batch size for so many rows.

    Where they are not named: batches of 100, but an eighth of the rows at most (and ten rows at
    least), and 50 epochs, but 500 steps at least. What takes a table of a few hundred rows
    somewhere is the number of steps.
    """
    usual = TrainingSettings()
    batch = min(usual.batch_size, max(10, rows // _LEAST_BATCHES))
    batch = settings.get("batch_size", max(batch, settings.get("blocks", usual.blocks)))
    steps = max(1, round(rows / batch)) if isinstance(batch, int) and batch > 0 else 1
    epochs = max(usual.epochs, math.ceil(_LEAST_STEPS / steps))
    return {"batch_size": batch, "epochs": epochs, **settings}


def _with_likelihood_defaults(
    given: Mapping[str, Any],
    named: Mapping[str, Any],
    machine: BoltzmannMachine | None,
    rows: int | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Other options, and settings, of a log-likelihood that names no optimiser."""
    found, chosen = dict(given), {**LIKELIHOOD_DEFAULTS, **named}
    chosen = chosen if rows is None else suited_to_rows(chosen, rows)
    if machine is None:
        return found, chosen
    # Chains that go on never leave a long document, of which hidden units are all but certain;
    # and those of a pretrained deep machine do not keep up with its weights.
    from_data = {} if "temperatures" in named else {"persistent": False}
    counts_words = any(v.family == "replicated_softmax" for v in machine.visible)
    if counts_words:
        chosen = {**chosen, **from_data, **named}
    if not found.get("warm_start"):
        if not counts_words:
            found.setdefault("weight_scale", _FIRST_WEIGHTS)
        # Batches that come one by one are not pretrained on.
        if rows is not None and len(machine.levels) > 2 and "pretrain" not in found:
            found["pretrain"] = "greedy"
            found.setdefault("pretraining", TrainingSettings.of(chosen))
            chosen = {**chosen, **from_data, "learning_rate": _PRETRAINED_RATE, **named}
    return found, chosen


def rows_of(
    machine: BoltzmannMachine,
    evidence: Evidence,
    validation: Evidence | None,
    options: FitOptions,
) -> tuple[TrainingRows, TrainingRows | None]:
    """Return the rows to learn from and those to watch, where the machine is trained."""
    machine.place_on(options.device)
    place, precision = machine.device, machine.asked_dtype
    rows = TrainingRows.of(machine, evidence, place, precision, wide=True)
    if validation is None:
        return rows, None
    watched = TrainingRows.of(machine, validation, place, precision, wide=True)
    check_same_layers(rows.clamped, watched.clamped)
    return rows, watched


def fitted(
    machine: BoltzmannMachine,
    rows: TrainingRows,
    watched: TrainingRows | None,
    options: FitOptions,
    checkpoint: Path | str | None,
    progress: Progress | None,
    generator: torch.Generator | None,
) -> TrainingReport:
    """Train a machine in place, see :meth:`BoltzmannMachine.fit`."""
    graph, units = in_units(machine, Units.of(machine, rows), options)
    precision = training_precision(machine, options)
    rows = units.standardised(rows, precision)
    watched = watched and units.standardised(watched, precision)
    use_lengths(graph, rows)
    if not options.goes_on:
        seeded = torch.Generator().manual_seed(options.settings.seed)
        first_numbers(graph, rows, options, generator or seeded)
    objective = objective_of(machine, options, rows)
    told = partial(_told, machine, graph, units, progress)
    kept = None if checkpoint is None else Path(checkpoint)
    with _written_back(machine, graph, units):
        if options.pretrain == "greedy":
            own = options.pretraining or options.settings
            below = None if kept is None else kept / "pretraining"
            pretrain(graph, rows, machine.levels, own, checkpoint=below)
        return train(graph, rows, watched, options.settings, objective, told, kept)


def in_units(
    machine: BoltzmannMachine, units: Units, options: FitOptions
) -> tuple[FactorGraph, Units]:
    """Return a copy of a machine in the units in which it is trained, and those.

    The machine itself is kept in double precision where its real values lie far from zero.
    """
    machine.keep_in(torch.float64 if units.are_far else machine.asked_dtype)
    if not options.standardise:
        units = Units({}, {})
    return units.of_data(machine, training_precision(machine, options)), units


def training_precision(machine: BoltzmannMachine, options: FitOptions) -> torch.dtype:
    """Return the precision of training: that of the data only where they are not standardised."""
    return machine.asked_dtype if options.standardise else machine.dtype


def objective_of(
    machine: BoltzmannMachine, options: FitOptions, rows: TrainingRows | None
) -> ObjectiveMaker | None:
    """Return what makes the objective by its name; None stands for the log-likelihood.

    Rows that are blended with others find these among all ``rows``, or in their batch.
    """
    labels = () if machine.labels is None else (machine.labels.name,)
    if options.objective == "contrastive_divergence":
        return None
    if options.objective == "fine_tuning":
        if not labels:
            raise LearningError("fine_tuning needs a machine with label units")
        own = options.prediction[0].settings if options.prediction else None
        return lambda parameters, random: FineTuning(parameters, labels, own, random)
    partners = None if rows is None else rows.clamped
    return lambda parameters, random: MultiPrediction(
        parameters, labels, options.prediction or None, random, partners
    )


def _told(
    machine: BoltzmannMachine,
    graph: FactorGraph,
    units: Units,
    progress: Progress | None,
    epoch: int,
    monitors: Mapping[str, float],
) -> None:
    """Let the machine have the numbers of an epoch before anybody hears of it."""
    _write(machine, graph, units)
    if progress is not None:
        progress(epoch, monitors)


@contextlib.contextmanager
def _written_back(machine: BoltzmannMachine, graph: FactorGraph, units: Units) -> Iterator[None]:
    """Give the machine the numbers that training ends with, even by an error.

    Where that leaves nothing learned, a machine that was fitted has what it had before, and another
    is not fitted.
    """
    start, before = _tensors(graph), _tensors(machine)
    was_fitted = machine.is_fitted
    try:
        yield
    except BaseException:
        _write(machine, graph, units)
        if all(torch.equal(a, b) for a, b in zip(start, _tensors(graph), strict=True)):
            machine.mark_fitted(was_fitted)
            if was_fitted:
                for factor in machine.layer_factors():
                    for tensor in factor.tensors():
                        tensor.copy_(before.pop(0))
        raise
    _write(machine, graph, units)


def _tensors(graph: FactorGraph) -> list[Tensor]:
    return [tensor.clone() for factor in graph.factors for tensor in factor.tensors()]


def _write(machine: BoltzmannMachine, graph: FactorGraph, units: Units) -> None:
    units.write(graph, machine)
    machine.mark_fitted()


def use_lengths(graph: FactorGraph, rows: TrainingRows) -> None:
    """Let documents that are missing have as many words as those seen, on average."""
    lengths = document_lengths(graph, rows.lengths())
    for factor in graph.factors:
        if isinstance(factor, BiasFactor) and factor.scope[0].name in lengths:
            factor.length = max(1, round(lengths[factor.scope[0].name]))


def first_numbers(
    graph: FactorGraph, rows: TrainingRows, options: FitOptions, generator: torch.Generator
) -> None:
    """Write small random weights, and biases with which units by themselves have their means."""
    likelihood = options.objective == "contrastive_divergence"
    start(graph, rows, options.weight_scale, likelihood, generator)
