"""Machines learn from data, and have what scikit-learn asks of estimators; it is not imported."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from mmgraph.graph.errors import GraphError, LearningError, needs, suggestion
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import element_names
from mmgraph.learning.boltzmann.training_rows import check_same_layers
from mmgraph.networks.boltzmann.fit_warnings import warn_if_useless
from mmgraph.networks.boltzmann.fitting import fitted, training_rows
from mmgraph.networks.boltzmann.inputs.evidence import warn_of_unobserved
from mmgraph.networks.boltzmann.inputs.features import check_input_features, names_of_columns
from mmgraph.networks.boltzmann.inputs.labels import (
    NoLabelsError,
    class_order,
    classes_of,
    label_codes,
    only_with_labels,
)
from mmgraph.networks.boltzmann.inputs.scikit_learn import CONTAINERS, contained
from mmgraph.networks.boltzmann.layers import columns_count
from mmgraph.networks.boltzmann.machine import BoltzmannMachine
from mmgraph.networks.boltzmann.online import learn_batch
from mmgraph.networks.boltzmann.options import (
    OPTION_NAMES,
    check_option_names,
    every_option,
    fit_options,
    named_options,
)

if TYPE_CHECKING:
    from mmgraph.learning.boltzmann.settings import TrainingSettings
    from mmgraph.learning.training.loop import Progress


class BoltzmannEstimator(BoltzmannMachine):
    """Machines that learn: transformers, and classifiers where they have label units.

    Parameters are the arguments of the constructor, the options of training among them. What stands
    in ``fit_options`` is reached as ``fit_options__epochs``, too.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The labels in sorted order, which is that of the columns of ``predict_proba``. Only where
        there are label units.
    n_features_in_ : int
        The columns of an array of all visible variables.
    feature_names_in_ : ndarray of str
        The columns of the data frame that the machine was fitted on; only where its columns were
        taken side by side, and all had names.
    """

    @property
    def training_options(self) -> dict[str, Any]:
        """The options of training that the machine was made with; others have their defaults."""
        return named_options({**(self._arguments.get("fit_options") or {}), **self._training})

    def fit(
        self,
        data: object,
        y: object = None,
        *,
        validation: object = None,
        settings: TrainingSettings | Mapping[str, Any] | None = None,
        checkpoint: Path | str | None = None,
        progress: Progress | None = None,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> Self:
        """Train in place, from fresh weights and biases that the data suggest.

        Monitors speak of standardised real variables, the machine of these in their own units. When
        training stops with an error, it has the parameters of the last sound epoch.

        Parameters
        ----------
        data : mapping, pandas.DataFrame, Evidence or array-like
            Arrays by visible variable or modality; or one array ``(rows, columns)`` whose columns
            are the visible variables side by side. Arrays may be sparse. What is missing is NaN
            (-1 of state indices); values between 0 and 1 of Bernoulli variables are probabilities.
        y : array-like, shape (rows,) or (rows, 1), optional
            Labels (or ``mm.index(y)``) where the machine has label units, -1 or None where unknown;
            others pass over them.
        validation : data, or tuple of data and labels, optional
            Rows that are watched and not learned from.
        settings : TrainingSettings or mapping, optional
            Options of the loop; by default those of the constructor.
        checkpoint : path, optional
            A directory; where it holds the state of this very training, that goes on.
        progress : callable, optional
            Called after each epoch, counted from 1, with its monitors.
        generator : torch.Generator, optional
            Draws the first weights; by default seeded by the settings.
        **options
            Single settings of training (``epochs=20``), and ``objective``, ``device``,
            ``prediction``, … of :class:`mmgraph.networks.boltzmann.options.FitOptions`.

        Raises
        ------
        LearningError
            If a Gaussian unit never varies (which column), a row observes nothing, there are no
            labels for label units, an option is unknown, or training diverges.
        EvidenceError, UnknownStateError
            If a value is outside the range of its family (which row and column), or labels are
            numbers where those declared are texts.
        FormatError
            If the checkpoint is that of another machine, other data or other settings.
        """
        with self._unchanged_on_error():
            goes_on = fit_options(self.training_options, settings, options).goes_on
            self._lay_out(data, y, again=not goes_on)
            self._feature_names = names_of_columns(data, self.variables)
            evidence = self._evidence(data, y, needs_labels=True)
            warn_of_unobserved(self.layers, evidence)
            chosen = fit_options(
                self.training_options, settings, options, self.layers, evidence.batch
            )
            rows, watched = training_rows(self, evidence, chosen.device), None
            if validation is not None:
                pair = validation if isinstance(validation, tuple) else (validation, None)
                watched = training_rows(self, self._evidence(*pair), chosen.device)
                check_same_layers(rows.clamped, watched.clamped)
        self.online = None
        self.fit_report = fitted(
            self, self.layers, rows, watched, chosen, checkpoint, progress, generator
        )
        self.sweeps = chosen.sweeps
        warn_if_useless(self, self.layers, evidence)
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments that the machine was made from, every option of training with them.

        Options that were not given are ``"auto"``: their defaults depend on the objective, the
        layers and the number of rows. Deep, the entries of ``fit_options`` stand by themselves,
        too, as ``fit_options__NAME``.
        """
        params = {**self._arguments, **every_option(self.training_options)}
        if deep:
            options = params.get("fit_options") or {}
            params.update((f"fit_options__{name}", value) for name, value in options.items())
        return params

    def set_params(self, **params: Any) -> Self:
        """Change arguments of the constructor; a machine of other layers starts afresh.

        Raises
        ------
        GraphError
            If there is no such argument, with the nearest one, or its value does not do.
        """
        arguments, training = dict(self._arguments), dict(self._training)
        options = dict(params.pop("fit_options", arguments.get("fit_options")) or {})
        structural = False
        for name, value in params.items():
            nested = name.removeprefix("fit_options__")
            if nested != name:
                options[nested] = value
                training.pop(nested, None)
            elif name in OPTION_NAMES:
                training[name] = value
            elif name not in arguments:
                hint = suggestion(name, (*arguments, *OPTION_NAMES))
                raise GraphError(f"{type(self).__name__} has no parameter {name!r}{hint}")
            elif not _is_same(value, arguments[name]):
                arguments[name], structural = value, True
        check_option_names(options, f"fit_options of {type(self).__name__}")
        arguments["fit_options"] = options or None
        if structural:
            self._training = training
            self._make_anew(arguments)
        self._arguments, self._training = arguments, training
        return self

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what :meth:`transform` returns: ``"default"``, ``"pandas"`` or ``"polars"``.

        Raises
        ------
        GraphError
            If it is none of these.
        """
        if transform is not None:
            if transform not in CONTAINERS:
                hint, known = suggestion(transform, CONTAINERS), ", ".join(CONTAINERS)
                raise GraphError(f"transform returns no {transform!r}{hint} (known: {known})")
            self._container = transform
        return self

    def transform(self, data: object) -> Any:
        """Return the joint representation, see :meth:`BoltzmannMachine.represent`.

        Returns
        -------
        ndarray of shape (rows, joint), or the data frame that :meth:`set_output` asks for

        Raises
        ------
        NotFittedError
            If the machine is not fitted.
        """
        self.check_fitted()
        means = self.represent(data).cpu().numpy()
        return contained(means, self.get_feature_names_out(), data, self._container)

    def partial_fit(
        self,
        data: object,
        y: object = None,
        classes: object = None,
        settings: TrainingSettings | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Self:
        """Learn from one batch: go once over its rows, in steps of ``batch_size``.

        The optimiser's state, the chains and the units of real variables are kept from call to
        call, in pickles too; other options than ``learning_rate``, :meth:`fit` and new numbers
        begin them anew, from the numbers that the machine has. A machine that is not fitted begins
        with numbers that the first batch suggests. The rate is constant, since no schedule knows
        how much will come; ``pretrain`` and ``epochs`` mean nothing, and ``fit_report`` stays as it
        is.

        Parameters
        ----------
        data, y, settings, **options
            As for :meth:`BoltzmannMachine.fit`. Labels may be missing in some batches.
        classes : array-like, optional
            All labels, which the first batch of a machine that takes them from ``y`` may lack.

        Raises
        ------
        LearningError
            If training diverges, which leaves the numbers of the batch before; if there are fewer
            rows than ``blocks``; or if a Gaussian unit has the same value in all of the first
            batch.
        """
        with self._unchanged_on_error():
            self._lay_out(data, y, classes, again=False)
            chosen = fit_options(self.training_options, settings, options, self.layers)
            evidence = self._evidence(data, y, needs_labels=y is None, learns=True)
            if not self.is_fitted:
                self._feature_names = names_of_columns(data, self.variables)
        self.online = learn_batch(self, self.layers, evidence, chosen)
        self.sweeps = chosen.sweeps
        return self

    def fit_transform(self, data: object, y: object = None, **options: Any) -> Any:
        """Fit, and return the joint representation of the same rows."""
        self.fit(data, y, **options)
        return self.transform(data)

    @only_with_labels
    def predict(
        self, evidence: object = None, method: str = "mean_field", **options: Any
    ) -> np.ndarray:
        """Return the most probable label of each row, see :meth:`predict_proba`."""
        chances = self.predict_proba(evidence, method, **options)
        return self.classes_[chances.argmax(1)]

    def score(self, data: object, y: object = None) -> float:
        """Return the share of labels predicted right; without labels the mean log-likelihood.

        Rows whose label is missing do not count.

        Raises
        ------
        NotFittedError
            If the machine is not fitted.
        LearningError
            If no row has a label.
        """
        self.check_fitted()
        labels = self.labels
        if y is None or labels is None:
            return float(self.log_likelihood(data).value.mean())
        chances = self.predict_proba(data)
        truth = label_codes(labels, y, len(chances))
        known = truth != MISSING
        if not known.any():
            raise LearningError("no row has a label: there is nothing to score by")
        predicted = class_order(labels)[chances.argmax(1)]
        return float((predicted == truth)[known].mean())

    @property
    def classes_(self) -> np.ndarray:
        """The labels in sorted order: that of the columns of :meth:`predict_proba`.

        Raises
        ------
        AttributeError
            If the machine has no label units, or takes them from data that it has not seen yet; so
            that ``hasattr`` tells.
        """
        labels = self.labels
        if labels is None:
            raise NoLabelsError(f"{self!r} has no label units, and so no classes_")
        return classes_of(labels)

    @property
    def n_features_in_(self) -> int:
        """The columns of an array of all visible variables.

        Raises
        ------
        AttributeError
            If these are taken from data that the machine has not seen yet.
        """
        if not self.visible:
            raise AttributeError(f"{self!r} takes its visible variables from the data of fit")
        return columns_count(self.visible)

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the columns that the machine was fitted on.

        Raises
        ------
        AttributeError
            If they had none.
        """
        if self._feature_names is None:
            raise AttributeError(f"{self!r} was fitted on no columns with names")
        return self._feature_names

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Return the names of the units of the joint layer.

        Raises
        ------
        NotFittedError
            If the layers are taken from data that the machine has not seen yet.
        EvidenceError
            If ``input_features`` are not the names of the columns, or not so many.
        """
        if not self.visible:
            self.check_fitted()
        check_input_features(input_features, self._feature_names, self.n_features_in_)
        return np.array(element_names(self.joint), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return self.is_fitted

    def __sklearn_clone__(self) -> Self:
        arguments = dict(self._arguments)
        if (generator := arguments.get("generator")) is not None:
            # One that draws the same, so that clones do not take numbers from one another.
            arguments["generator"] = torch.Generator(generator.device)
            arguments["generator"].set_state(generator.get_state())
        made = type(self)(**arguments, **self._training)
        made._container = self._container
        return made

    def __sklearn_tags__(self) -> Any:
        with needs("data", "scikit-learn", "its estimator tags"):
            from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags, TransformerTags
        classifies = self.has_labels
        return Tags(
            estimator_type="classifier" if classifies else None,
            target_tags=TargetTags(required=classifies),
            transformer_tags=TransformerTags(),
            classifier_tags=ClassifierTags() if classifies else None,
            input_tags=InputTags(allow_nan=True, sparse=True),
        )


def _is_same(value: object, other: object) -> bool:
    """Whether an argument is what it was: the same thing, or an equal number or text."""
    plain = isinstance(value, int | float | str) and type(value) is type(other)
    return value is other or (plain and value == other)


def arguments_of(kind: type, local_names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a constructor out of its local names; ``training`` is a mapping."""
    return {name: local_names[name] for name in list(inspect.signature(kind).parameters)}
