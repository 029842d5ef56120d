"""How a machine is fitted: every option by name, and the defaults that suit layers and rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.inference.options import check_device
from mmgraph.learning.boltzmann.objectives.prediction_settings import (
    PredictionRows,
    PredictionSettings,
    prediction_rows,
)
from mmgraph.learning.boltzmann.settings import TrainingSettings
from mmgraph.learning.training.options import check_names, option_names
from mmgraph.networks.boltzmann.layers import Layers

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
        What multi-prediction and fine-tuning predict. ``fit`` takes :class:`PredictionSettings`, or
        a mapping as of :func:`prediction_rows`; for fine-tuning the first counts. Without any, the
        objectives' defaults hold.
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
        check_choice("objective", self.objective, OBJECTIVES, LearningError)
        if self.pretrain not in (None, "greedy"):
            raise LearningError(f"pretrain is 'greedy' or None, not {self.pretrain!r}")
        if not isinstance(self.pretraining, TrainingSettings | None):
            raise LearningError(
                f"pretraining takes the options of the machines that pretrain='greedy' trains, as "
                f"a mapping or TrainingSettings, not {self.pretraining!r}"
            )
        if not isinstance(self.prediction, tuple | list):
            raise LearningError(
                f"prediction is a mapping or PredictionSettings, not {self.prediction!r}"
            )
        scale = self.weight_scale
        if scale is not None and not 0 < scale < torch.inf:
            raise LearningError(f"weight_scale must be positive, not {scale}")
        check_device("auto" if self.device is None else self.device)

    @property
    def sweeps(self) -> int | None:
        """The sweeps of mean field that predictions were trained with; None of other objectives."""
        if self.objective == "contrastive_divergence":
            return None
        settings = self.prediction[0].settings if self.prediction else PredictionSettings()
        return settings.sweeps

    @property
    def goes_on(self) -> bool:
        """Whether the machine's numbers are the start."""
        return self.objective == "fine_tuning" if self.warm_start is None else self.warm_start


def named_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not left to their defaults."""
    return {n: v for n, v in options.items() if not (isinstance(v, str) and v == AUTO)}


def fit_options(
    usual: Mapping[str, Any] | None,
    settings: TrainingSettings | Mapping[str, Any] | None,
    options: Mapping[str, Any],
    layers: Layers | None = None,
    rows: int | None = None,
) -> FitOptions:
    """Return the options: those of the call win over those that the machine was made with.

    Settings that are given whole have no defaults; others depend on what layers are trained, and on
    how many rows.
    """
    training = option_names(TrainingSettings)
    named: dict[str, Any] = dict(usual or {})
    if settings is not None:
        named = {k: v for k, v in named.items() if k not in training} | {"settings": settings}
    named = named_options({**named, **options})
    single = {k: named.pop(k) for k in list(named) if k in training}
    check_names(named, [*option_names(FitOptions), *training], "fit")
    base = named.pop("settings", None)
    whole = base.as_dict() if isinstance(base, TrainingSettings) else dict(base or {})
    if isinstance(named.get("prediction"), Mapping):
        named["prediction"] = prediction_rows(named["prediction"])
    elif isinstance(named.get("prediction"), PredictionSettings):
        named["prediction"] = (PredictionRows(1.0, named["prediction"]),)
    if isinstance(named.get("pretraining"), Mapping):
        named["pretraining"] = TrainingSettings.of(named["pretraining"])
    chosen = whole | single
    if named.get("objective") == "multi_prediction" and "optimiser" not in chosen:
        named.setdefault("pretraining", TrainingSettings.of(chosen))  # that is no multi-prediction
        chosen = {**MULTI_PREDICTION_DEFAULTS, **chosen}
    elif named.get("objective", OBJECTIVES[0]) == OBJECTIVES[0] and "optimiser" not in chosen:
        named, chosen = _with_likelihood_defaults(named, chosen, layers, rows)
    return FitOptions(settings=TrainingSettings.of(chosen), **named)


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
    options: Mapping[str, Any], named: Mapping[str, Any], layers: Layers | None, rows: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Other options, and settings, of a log-likelihood that names no optimiser."""
    result, chosen = dict(options), {**LIKELIHOOD_DEFAULTS, **named}
    chosen = chosen if rows is None else suited_to_rows(chosen, rows)
    if layers is None:
        return result, chosen
    # Chains that go on never leave a long document, of which hidden units are all but certain;
    # and those of a pretrained deep machine do not keep up with its weights.
    from_data = {} if "temperatures" in named else {"persistent": False}
    counts_words = any(v.family == "replicated_softmax" for v in layers.visible)
    if counts_words:
        chosen = {**chosen, **from_data, **named}
    if not result.get("warm_start"):
        if not counts_words:
            result.setdefault("weight_scale", _FIRST_WEIGHTS)
        # Batches that come one by one are not pretrained on.
        if rows is not None and len(layers.levels) > 2 and "pretrain" not in result:
            result["pretrain"] = "greedy"
            result.setdefault("pretraining", TrainingSettings.of(chosen))
            chosen = {**chosen, **from_data, "learning_rate": _PRETRAINED_RATE, **named}
    return result, chosen


OPTION_NAMES = (
    *option_names(TrainingSettings),
    *(name for name in option_names(FitOptions) if name != "settings"),  # a record of the others
)
"""The options that constructors, ``set_params`` and ``fit`` of machines take."""


def check_option_names(options: Mapping[str, Any], model: str) -> None:
    """Check that every option is known; values are checked where training begins."""
    check_names(options, OPTION_NAMES, model, "parameter")


def every_option(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options: those named, and ``AUTO`` for the others."""
    known = {name: value for name, value in options.items() if name in OPTION_NAMES}
    return dict.fromkeys(OPTION_NAMES, AUTO) | known
