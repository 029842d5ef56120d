"""Boltzmann machines of layers: what restricted, deep and multimodal ones have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.variable import Variable
from mmgraph.inference import query
from mmgraph.inference.options import check_type
from mmgraph.inference.samples import Samples
from mmgraph.networks.boltzmann.answers import (
    Imputation,
    given_rows,
    imputation,
    method_named,
    posterior_means,
)
from mmgraph.networks.boltzmann.estimator import BoltzmannEstimator
from mmgraph.networks.boltzmann.inputs.evidence import evidence_of, warn_of_unobserved
from mmgraph.networks.boltzmann.inputs.grey import grey_in, refuse_grey
from mmgraph.networks.boltzmann.inputs.labels import class_order, only_with_labels
from mmgraph.networks.boltzmann.inputs.layout import lay_out, names_of_columns, unchanged_on_error
from mmgraph.networks.boltzmann.layers import (
    LabelLinks,
    Pathway,
    check_label_links,
    checked_labels,
    factors_of,
    levels_of,
    pathways_of,
    shown_layers,
)
from mmgraph.networks.boltzmann.likelihood import LogLikelihood, log_likelihood
from mmgraph.networks.boltzmann.numbers import BoltzmannNumbers
from mmgraph.networks.boltzmann.options import check_option_names

if TYPE_CHECKING:
    from pathlib import Path

    from mmgraph.learning.boltzmann.settings import TrainingSettings
    from mmgraph.learning.boltzmann.training.loop import Progress, TrainingReport


class BoltzmannMachine(BoltzmannEstimator, BoltzmannNumbers):
    """A pathway of hidden layers above the variables of each modality, which meet in a joint layer.

    It is a :class:`~mmgraph.FactorGraph` of biases and bilinear factors: ``mm.query``,
    ``mm.sample``, ``mm.log_partition`` and ``mm.map_query`` work on it. What is built are its
    subclasses.

    Parameters
    ----------
    arguments : mapping of str to object
        Those that the subclass was made from, ``training`` with the options of training.
    pathways : sequence of Pathway, or None
        None where they are taken from the data of the first fit.
    layers : sequence of sequence of Variable
        The hidden layers of each pathway below the joint one, from below.
    joint : Variable
        The layer at the top.
    labels : Variable or str, optional
        A categorical variable joined to the joint layer; or the name of one whose states are those
        of ``y`` in the first fit.
    label_links : {"joint", "all"}
        Whether labels are joined to the last hidden layer of each pathway as well.

    Attributes
    ----------
    pathways : tuple of Pathway
    visible : tuple of Variable
        The variables of all pathways, in order; labels are not among them.
    hidden : tuple of Variable
        The hidden layers: pathway after pathway, each from below, and the joint layer last.
    joint : Variable
    labels : Variable or None
    levels : tuple of tuple of str
        The names of all variables by their distance from the data; labels are at the bottom.
    sweeps : int or None
        The sweeps of mean field with which the machine answers: those that it was trained to
        predict with; None for as many as it takes to converge. It may be set.
    fit_report : TrainingReport or None
        How the last :meth:`fit` went.

    Raises
    ------
    GraphError
        If a name is used twice, a size is not positive, or labels are not categorical.
    """

    def __init__(
        self,
        arguments: Mapping[str, Any],
        pathways: Sequence[Pathway] | None,
        layers: Sequence[Sequence[Variable]],
        joint: Variable,
        labels: Variable | str | None,
        dtype: torch.dtype | None,
        generator: torch.Generator | None,
        label_links: LabelLinks = "joint",
    ) -> None:
        check_label_links(label_links)
        given = dict(arguments)
        training = given.pop("training", {})
        check_option_names(training, type(self).__name__)
        check_option_names(given.get("fit_options") or {}, f"fit_options of {type(self).__name__}")
        waits = pathways is None or isinstance(labels, str)
        self.label_links = label_links
        self.pathways = () if waits else pathways_of(pathways or ())
        self.labels = checked_labels(None if isinstance(labels, str) else labels)
        self.joint = joint
        self.visible = tuple(v for pathway in self.pathways for v in pathway.variables)
        self.hidden = () if waits else (*(v for tower in layers for v in tower), joint)
        self.levels = () if waits else levels_of(self.pathways, layers, joint, self.labels)
        self.fit_report: TrainingReport | None = None
        self.sweeps: int | None = None
        self._arguments, self._training, self._made_from = given, dict(training), given
        self._fitted, self._feature_names, self._online = False, None, None
        if waits:
            super().__init__(())
            return
        outer = self.visible if self.labels is None else (*self.visible, self.labels)
        variables = (*outer, *self.hidden)
        super().__init__(variables)  # names are checked before weights are drawn
        check_type("dtype", dtype, "torch.dtype | None")
        check_type("generator", generator, "torch.Generator | None")
        self.exchange_factors(factors_of(
            variables, self.pathways, layers, joint, self.labels, label_links,
            dtype or torch.float32, generator,
        ))  # fmt: skip

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
            ``prediction``, … of :class:`mmgraph.networks.boltzmann.fitting.FitOptions`.

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
        from mmgraph.networks.boltzmann.fitting import fit_options, fitted, rows_of
        from mmgraph.networks.boltzmann.usefulness import warn_if_useless

        with unchanged_on_error(self):
            goes_on = fit_options(self.training_options, settings, options).goes_on
            lay_out(self, data, y, again=not goes_on)
            self._feature_names = names_of_columns(self, data)
            evidence = evidence_of(self, data, y, needs_labels=True)
            warn_of_unobserved(self, evidence)
            chosen = fit_options(self.training_options, settings, options, self, evidence.batch)
            pair = validation if isinstance(validation, tuple) else (validation, None)
            watched = None if validation is None else evidence_of(self, *pair)
            rows = rows_of(self, evidence, watched, chosen)
        self._online = None
        self.fit_report = fitted(self, *rows, chosen, checkpoint, progress, generator)
        self.sweeps = chosen.sweeps
        warn_if_useless(self, evidence)
        return self

    def usual_options(self, question: str) -> Mapping[str, Any]:
        """Let the remembered sweeps answer queries, so that every door gives the same answer."""
        remembered = {"method": "mean_field", "iterations": self.sweeps, "tolerance": None}
        return remembered if question == "query" and self.sweeps is not None else {}

    def represent(
        self, evidence: object = None, method: str = "mean_field", **options: Any
    ) -> Float[Tensor, "batch joint"]:
        """Return the posterior means of the joint layer: the joint representation of each row.

        Parameters
        ----------
        evidence : None, mapping, pandas.DataFrame, Evidence or array-like
            As the data of :meth:`fit`; any modality may be missing, in any row.
        method, **options
            Any method of :func:`mmgraph.query`, and its ``iterations``, ``tolerance``, …

        Warns
        -----
        PriorWarning
            If rows observe nothing.
        """
        given = given_rows(self, evidence)
        return posterior_means(self, given, [self.joint.name], method, options)[self.joint.name]

    def impute(
        self,
        evidence: object = None,
        variables: Sequence[str] | str | None = None,
        draws: int = 0,
        generator: torch.Generator | None = None,
        method: str = "mean_field",
        sampling: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Imputation:
        """Fill in what is missing: posterior means, and samples given what is observed.

        Parameters
        ----------
        evidence
            As for :meth:`represent`.
        variables : str or sequence of str, optional
            Those to fill in; by default the visible ones of which something is missing.
        draws : int, default 0
            Samples of each row, by block Gibbs with what is observed held fixed.
        generator : torch.Generator, optional
            Draws the samples.
        method : str, default "mean_field"
            Of the posterior means; ``**options`` are its options.
        sampling : mapping, optional
            Options of :func:`mmgraph.sample`: ``method``, ``burn_in``, ``thinning``, ``chains``.

        Warns
        -----
        PriorWarning
            If rows observe nothing.
        """
        given = given_rows(self, evidence)
        return imputation(self, given, variables, draws, generator, method, sampling, options)

    @only_with_labels
    def predict_proba(
        self, evidence: object = None, method: str = "mean_field", **options: Any
    ) -> Float[np.ndarray, "batch classes"]:
        """Return the probabilities of the labels given whatever is there.

        Parameters
        ----------
        evidence, method, **options
            As for :meth:`represent`.

        Returns
        -------
        ndarray, shape (batch, classes)
            The columns are those of ``classes_``: labels in sorted order, not in that of the
            variable, in which ``mm.query`` answers.

        Raises
        ------
        NoLabelsError
            If the machine has no label units; it is a GraphError and an AttributeError.
        NotFittedError
            If it is not fitted.
        """
        self.check_fitted()
        given = given_rows(self, evidence)
        assert self.labels is not None
        name = self.labels.name
        found = posterior_means(self, given, [name], method, options)[name]
        chances: np.ndarray = found.cpu().numpy()[:, class_order(self.labels)]
        return chances

    def log_likelihood(
        self,
        evidence: object = None,
        method: str = "auto",
        steps: int = 1000,
        chains: int = 100,
        generator: torch.Generator | None = None,
        base: Mapping[str, Tensor] | None = None,
    ) -> LogLikelihood:
        """Return log p of what each row observes, and how well that is known.

        It is the logarithm of the weight that the observed values leave, less the log-partition
        function: exact for small machines, else by annealed importance sampling, once for given
        parameters. The weight is exact where what is unobserved is small or not joined.

        Parameters
        ----------
        evidence
            As for :meth:`represent`. Documents count as given their length. Where probabilities
            stand for states, the value is a lower bound on the mean over states drawn from them.
        method : {"auto", "mean_field", "annealed_importance_sampling"}
            For rows whose weight is not exact: ``mean_field`` (also under ``auto``) makes the value
            a lower bound, up to the error of the log-partition function; the other estimates it.
        steps, chains, generator, base
            Of annealed importance sampling; ``base`` by default from short Gibbs chains.

        Warns
        -----
        PriorWarning
            If rows observe nothing.
        """
        given = given_rows(self, evidence)
        grey = bool(grey_in(given))
        if grey and method == "auto":
            method = "mean_field"
        if method != "mean_field":
            refuse_grey(given, f"the method {method!r}")
        found = log_likelihood(self, given, method, steps, chains, generator, base)
        return replace(found, is_bound=torch.ones_like(found.is_bound)) if grey else found

    def sample(
        self,
        n: int,
        evidence: object = None,
        generator: torch.Generator | None = None,
        method: str = "gibbs",
        **options: Any,
    ) -> Samples:
        """Draw ``n`` samples of all variables for each row of evidence.

        Parameters
        ----------
        evidence
            As for :meth:`represent`; by default nothing is observed.
        method : {"gibbs", "tempering", "layer_summation", "auto"}
            Block Gibbs chains; the same with replicas at higher temperatures; exact where small.
        **options
            ``burn_in``, ``thinning``, ``chains``, of tempering also ``temperatures``.

        Returns what :func:`mmgraph.sample` does.
        """
        given = evidence_of(self, evidence)
        refuse_grey(given, "sampling")
        return query.sample(self, n, given, generator, method_named(method), **options)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return a copy on another device, where later fits stay, or in another precision."""
        fixed = torch.Generator().manual_seed(0)  # its numbers are replaced
        training = self._training | ({} if device is None else {"device": str(device)})
        moved = type(self)(**{**self._made_from, "generator": fixed}, **training)
        precision = {} if dtype is None else {"dtype": dtype}
        moved._arguments, moved._made_from = (
            self._arguments | precision,
            self._made_from | precision,
        )
        moved.adopt([f.to(device, dtype) for f in self.layer_factors()])
        moved.fit_report, moved.sweeps, moved._fitted = self.fit_report, self.sweeps, self._fitted
        moved._feature_names, moved._container = self._feature_names, self._container
        return moved

    def __repr__(self) -> str:
        layers = shown_layers(self.pathways, self.joint)
        ending = "" if self.labels is None else f", labels '{self.labels.name}'"
        return f"{type(self).__name__}({layers}{ending}; {self.parameters_count:,} parameters)"
