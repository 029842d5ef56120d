"""Boltzmann machines of layers: what restricted, deep and multimodal ones have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmgraph.graph.errors import GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Variable
from mmgraph.inference import query
from mmgraph.inference.options import check_type
from mmgraph.inference.samples import Samples
from mmgraph.networks.boltzmann.answers import (
    Imputation,
    method_named,
    posterior_means,
    warn_of_empty,
)
from mmgraph.networks.boltzmann.inputs.evidence import evidence_of, incomplete
from mmgraph.networks.boltzmann.inputs.grey_values import grey_in, refuse_grey
from mmgraph.networks.boltzmann.inputs.labels import check_classes, class_order, only_with_labels
from mmgraph.networks.boltzmann.inputs.layers_from_data import arguments_from_data
from mmgraph.networks.boltzmann.inputs.scikit_learn import not_fitted
from mmgraph.networks.boltzmann.layers import LabelLinks, Layers, Pathway, columns_count
from mmgraph.networks.boltzmann.likelihood import Annealing, LogLikelihood, log_likelihood
from mmgraph.networks.boltzmann.options import check_option_names
from mmgraph.networks.boltzmann.parameters import MachineParameters

if TYPE_CHECKING:
    from mmgraph.learning.training.loop import TrainingReport


class BoltzmannMachine(MachineParameters):
    """A pathway of hidden layers above the variables of each modality, which meet in a joint layer.

    It is a :class:`~mmgraph.FactorGraph` of biases and bilinear factors: ``mm.query``,
    ``mm.sample``, ``mm.log_partition`` and ``mm.map_query`` work on it. What is built are its
    subclasses.

    Parameters
    ----------
    arguments : mapping of str to object
        Those that the subclass was made from, ``training`` with the options of training.
    pathways, layers, joint, labels, label_links
        As of :class:`Layers`; pathways are None, and labels a name, where the first fit gives them.
    dtype, generator
        As of the subclasses.

    Attributes
    ----------
    layers : Layers
        All layers, and what is joined; ``pathways``, ``visible``, ``hidden``, ``joint``, ``labels``
        and ``levels`` are theirs, empty where data that has not been seen yet gives the layers.
    sweeps : int or None
        The sweeps of mean field with which the machine answers: those that it was trained to
        predict with; None for as many as it takes to converge. It may be set.
    fit_report : TrainingReport or None
        How the last ``fit`` went.

    Raises
    ------
    GraphError
        If a name is used twice, a size is not positive, or labels are not categorical.
    """

    _container: str | None = None  # in which transform answers

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
        made_from = dict(arguments)
        training = made_from.pop("training", {})
        check_option_names(training, type(self).__name__)
        options = made_from.get("fit_options") or {}
        check_option_names(options, f"fit_options of {type(self).__name__}")
        waits = pathways is None or isinstance(labels, str)
        known = None if isinstance(labels, str) else labels
        if waits:
            self.layers = Layers((), (), joint, known, label_links)
        elif pathways:
            towers = tuple(tuple(tower) for tower in layers)
            self.layers = Layers(tuple(pathways), towers, joint, known, label_links)
        else:
            raise GraphError("a machine needs at least one pathway")
        self.pathways, self.joint = self.layers.pathways, joint
        self.visible, self.labels = self.layers.visible, self.layers.labels
        self.hidden, self.levels = self.layers.hidden, self.layers.levels
        self.fit_report: TrainingReport | None = None
        self.sweeps: int | None = None
        self._arguments, self._training, self._made_from = made_from, dict(training), made_from
        self._feature_names: np.ndarray | None = None
        self._fitted, self.online = False, None
        if waits:
            super().__init__(())
            return
        super().__init__((*self.layers.observed, *self.layers.hidden))
        check_type("dtype", dtype, "torch.dtype | None")
        check_type("generator", generator, "torch.Generator | None")
        self.exchange_factors(self.layers.factors(dtype or torch.float32, generator))

    def _lay_out(self, data: object, y: object, classes: object = None, again: bool = True) -> None:
        """Take the layers, or the labels, that the arguments leave to the data.

        Those that came from earlier data are taken anew if it is ``again``.
        """
        if again or not self.visible:
            arguments, model = self._arguments, type(self).__name__
            of_data = arguments_from_data(arguments, data, y, classes, self.joint.size, model)
            if of_data:
                self._make_anew(arguments | of_data)
                self._arguments = arguments
        if self.labels is not None:
            check_classes(self.labels, classes)

    def _make_anew(self, arguments: Mapping[str, Any]) -> None:
        """Make the machine from other arguments, on the device where it is."""
        place = self.device
        type(self).__init__(self, **arguments, **self._training)
        self.place_on(place)

    @contextlib.contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Leave the machine as it was where its data cannot be read."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _evidence(
        self,
        data: object,
        y: object = None,
        needs_labels: bool = False,
        learns: bool | None = None,
    ) -> Evidence:
        """Data and labels as :func:`evidence_of` reads them for this machine."""
        if not self.variables:
            raise not_fitted(
                f"{self!r} takes its layers from the data of fit, which has not been called yet"
            )
        return evidence_of(
            self.variables, self.layers, data, y, needs_labels=needs_labels, learns=learns,
            columns=self._feature_names, model=type(self).__name__,
        )  # fmt: skip

    def _rows(self, evidence: object) -> Evidence:
        """Evidence to be asked about; rows that observe nothing are warned of."""
        rows = self._evidence(evidence)
        warn_of_empty(rows)
        return rows

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
            As the data of ``fit``; any modality may be missing, in any row.
        method, **options
            Any method of :func:`mmgraph.query`, and its ``iterations``, ``tolerance``, …

        Warns
        -----
        PriorWarning
            If rows observe nothing.
        """
        rows, name = self._rows(evidence), self.joint.name
        return posterior_means(self, rows, [name], method, options)[name]

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
        rows = self._rows(evidence)
        if variables is None:
            names = [v.name for v in self.visible if incomplete(rows, v)]
        else:
            names = [variables] if isinstance(variables, str) else list(variables)
        for name in names:
            self.variable(name)
        means = posterior_means(self, rows, names, method, options) if names else {}
        samples: dict[str, Tensor] = {}
        if draws and names:
            drawn = self.sample(draws, rows, generator, **(sampling or {})).codes
            samples = {n: drawn[n] if rows.batch > 1 else drawn[n].unsqueeze(0) for n in names}
        return Imputation(means, samples)

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
        rows = self._rows(evidence)
        assert self.labels is not None
        name = self.labels.name
        marginal = posterior_means(self, rows, [name], method, options)[name]
        chances: np.ndarray = marginal.cpu().numpy()[:, class_order(self.labels)]
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
        rows = self._rows(evidence)
        grey = bool(grey_in(rows))
        if grey and method == "auto":
            method = "mean_field"
        if method != "mean_field":
            refuse_grey(rows, f"the method {method!r}")
        annealing = Annealing(steps, chains, generator, base)
        answer = log_likelihood(self, rows, method, annealing)
        return replace(answer, is_bound=torch.ones_like(answer.is_bound)) if grey else answer

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
        rows = self._evidence(evidence)
        refuse_grey(rows, "sampling")
        return query.sample(self, n, rows, generator, method_named(method), **options)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return a copy on another device, where later fits stay, or in another precision."""
        fixed = torch.Generator().manual_seed(0)  # its numbers are replaced
        training = self._training | ({} if device is None else {"device": str(device)})
        moved = type(self)(**{**self._made_from, "generator": fixed}, **training)
        precision = {} if dtype is None else {"dtype": dtype}
        moved._arguments = self._arguments | precision
        moved._made_from = self._made_from | precision
        moved.adopt([f.to(device, dtype) for f in self.layer_factors()])
        moved.fit_report, moved.sweeps, moved._fitted = self.fit_report, self.sweeps, self._fitted
        moved._feature_names, moved._container = self._feature_names, self._container
        return moved

    def with_factors(self, factors: Iterable[Factor]) -> Self:
        """Return a copy with the numbers of other factors, see :meth:`adopt`."""
        made = self.to()
        made.adopt(factors)
        return made

    def trained_as(self, dtype: torch.dtype, columns: Sequence[str] | None = None) -> None:
        """Note the precision to train in, and names of the columns that it was fitted on."""
        if columns is not None:
            count = columns_count(self.visible)
            if len(columns) != count:
                raise GraphError(f"the machine has {count} columns, and names of {len(columns)}")
            self._feature_names = np.array(columns, dtype=object)
        self._arguments["dtype"] = dtype

    @property
    def has_labels(self) -> bool:
        """Whether there are label units, or will be once the data is known."""
        return self._arguments.get("labels") is not None

    def __repr__(self) -> str:
        ending = "" if self.labels is None else f", labels '{self.labels.name}'"
        return f"{type(self).__name__}({self.layers}{ending}; {self.parameters_count:,} parameters)"
