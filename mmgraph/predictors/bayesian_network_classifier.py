"""A classifier that asks a Bayesian network for its target, whatever a row has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int64

from mmgraph.data.blocks.columns import Columns
from mmgraph.data.folds import warn_of_groups
from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.data.schema.schema import Schema
from mmgraph.graph.element_evidence import elements_in
from mmgraph.graph.errors import LearningError
from mmgraph.inference.query import query
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.predictors.inputs import ALONE, Modalities, column_names, schema_of
from mmgraph.predictors.learned_network import (
    Edges,
    NetworkLearning,
    independent_modalities,
    modalities_told,
)
from mmgraph.predictors.pooling.placement import telling_modalities
from mmgraph.predictors.tempered_classifier import TemperedClassifier

_TARGET = "target"


class BayesianNetworkClassifier(TemperedClassifier):
    """The posterior of a Bayesian network's target, given whatever a row has.

    The network is given, or it is learned: naive Bayes by default, or along the edges that are
    named, with tables for discrete columns and normal densities for continuous ones.

    A network whose independences do not hold is too sure of itself. Therefore its answers are
    tempered: the likelihood of each modality (of modalities that depend on each other given the
    target, of all together) has a power, at most one, under which held-out training rows (of other
    groups, where there are groups) are told best; powers are learned anew for each set of
    modalities. Of columns that tell no held-out row they are zero, and the prior is answered.

    Parameters
    ----------
    modalities : mapping of str to sequence of str, optional
        The columns of each modality. By default those of the data's own schema, of the given
        network's variables, or one of all columns.
    network : BayesianNetwork, optional
        Its parameters stay as they are; training rows teach the powers alone, and its states are
        the classes.
    target : str
        What the target is called in the network, or in the edges. By default edges call it as the
        pandas Series of labels is called, or "target".
    edges : sequence of (parent, child), optional
        The structure of a network that is learned, see
        :class:`~mmgraph.predictors.learned_network.NetworkLearning`.
    equivalent_sample_size : float
        How many rows the BDeu prior of each table is worth.
    shrinkage : float
        How far (0 to 1) each variance moves towards the one pooled within parent states.
    temper : bool
        Whether answers are tempered. Without, they are those of :func:`mmgraph.query`.
    folds : int
        How many times the network is learned from a part of the rows, to learn the powers.
    random_state : int
        The seed of the folds.

    Attributes
    ----------
    classes_ : ndarray
        The labels, sorted.
    network_ : BayesianNetwork
        The one that was given or learned.
    n_features_in_, feature_names_in_ : int, ndarray
        The columns of the rows that it learned from.

    Raises
    ------
    LearningError
        By ``fit``, if both a network and edges are given, labels are no states of the network, or
        as :meth:`~mmgraph.predictors.learned_network.NetworkLearning.learned` says.
    ZeroProbabilityError
        If the network rules a row out, as one without a prior may.

    References
    ----------
    Friedman, Geiger and Goldszmidt (1997), "Bayesian network classifiers"; Zadrozny and Elkan
    (2001) on how overconfident naive Bayes is.

    Examples
    --------
    >>> clf = mm.BayesianNetworkClassifier(modalities, edges=[("ill", "age"), ("ill", "g1")],
    ...                                    target="ill")
    >>> clf.fit(frame, y).predict_proba(frame, given=["genes"])  # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "Bayesian network classifier"
    """The name of the kind in files."""

    def __init__(
        self,
        modalities: Modalities | None = None,
        *,
        network: BayesianNetwork | None = None,
        target: str = _TARGET,
        edges: Edges | None = None,
        equivalent_sample_size: float = 10.0,
        shrinkage: float = 0.1,
        temper: bool = True,
        folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.modalities = modalities
        self.network = network
        self.target = target
        self.edges = edges
        self.equivalent_sample_size = equivalent_sample_size
        self.shrinkage = shrinkage
        self.temper = temper
        self.folds = folds
        self.random_state = random_state

    def _target_name(self, y: Any, data: MultimodalData) -> str:
        named = {name for edge in self.edges or () for name in edge}
        if self.network is not None or self.target != _TARGET or _TARGET in named:
            return self.target
        return super()._target_name(y, data)

    def _schema_for(self, table: Any) -> Schema:
        """What columns are that a given network knows: their states are the network's."""
        if self.network is None:
            return schema_of(table, self.modalities)
        variables, modalities = self.network.variables, self.modalities
        if modalities is None:
            names = [name for name in column_names(table) if name != self.target]
            homes = {n: variables[n] for n in names if n in variables}
            homes |= {n: variables[e[0]] for n, e in elements_in(names, variables).items()}
            by_home: dict[str, list[str]] = {}
            for name in (n for n in names if n in homes):
                by_home.setdefault(homes[name].modality or ALONE, []).append(name)
            if not by_home:
                raise LearningError("no column of the table is a variable of the network")
            modalities = by_home
        columns = schema_of(table, modalities).columns.values()
        discrete = {n: v.labels for n, v in variables.items() if v.is_discrete}
        return Schema(
            replace(c, kind="categorical", states=discrete[c.name])
            if c.name in discrete
            else replace(c, kind="continuous", states=None)
            for c in columns
        )

    def _learn(self, data: MultimodalData) -> None:
        if self.network is not None:
            if self.edges is not None:
                raise LearningError("a network is given, and edges of one that is to be learned")
            self.network_, self.target_ = self.network, self.target
            self._places, codes = self._states_of_network(data)
        else:
            self.network_, self.target_ = self._learned(data), data.target.name
            self._places = np.arange(data.target.cardinality)
            telling_modalities(data)  # for its warnings
        told = modalities_told(data, self.network_, self.target_)
        if not told:
            raise LearningError(f"the network says nothing of any cell of {data.origin}")
        self.told_ = tuple(told)
        self.independent_ = independent_modalities(told, self.network_, self.target_)
        self.prior_ = self._prior(self.network_)
        if self.temper and self.network is None:
            warn_of_groups(data)
            self._hold_out(data, self.random_state, self._learned)
        elif self.temper:
            self._keep_held_out([(self.network_, data)], codes)

    def _learned(self, data: MultimodalData) -> BayesianNetwork:
        """The network of some rows, where none is given."""
        learning = NetworkLearning(self.edges, self.equivalent_sample_size, self.shrinkage)
        return learning.learned(data)

    @property
    def _model(self) -> BayesianNetwork:
        return self.network_

    def _states_of_network(
        self, data: MultimodalData
    ) -> tuple[Int64[np.ndarray, " classes"], Int64[np.ndarray, " rows"]]:
        """Where the network has each class, and the class of each row; classes are its states."""
        labels = self.network_.variable(self.target).labels
        classes, places = np.unique(np.array(labels), return_index=True)
        listed = classes.tolist()
        unknown = [label for label in self.classes_.tolist() if label not in listed]
        if unknown:
            raise LearningError(
                f"the label {unknown[0]!r} is no state of '{self.target}' in the network, which "
                f"has {', '.join(map(repr, labels))}"
            )
        of_class = np.array([listed.index(label) for label in self.classes_.tolist()])
        self.classes_ = classes
        return places, of_class[data.codes]

    def _check_columns(self, data: MultimodalData) -> None:
        """States are read by their labels, and columns by their names."""

    def _prior(self, network: BayesianNetwork) -> Float64[np.ndarray, " classes"]:
        """The probabilities of the classes where nothing is observed."""
        return (
            query(network, {}, [self.target_])
            .marginal(self.target_)
            .reshape(-1)
            .numpy()[self._places]
        )

    def _answers(
        self, network: BayesianNetwork, data: MultimodalData, names: Collection[str]
    ) -> Float64[np.ndarray, "rows classes"]:
        """The network's posterior of the target in each row, given some modalities."""
        cells = data.only(*names).cells(network.variables)
        cells = {name: column for name, column in cells.items() if name != self.target_}
        for block in data.blocks.values():
            for variable in block.variables if isinstance(block, Columns) else ():
                mine = network.variables.get(variable.name)
                if mine is not None and not mine.describes_same_as(variable):
                    raise LearningError(
                        f"'{variable.name}' is {mine!r} in the network, and {variable!r} in "
                        f"{data.origin}"
                    )
        table = query(network, cells, [self.target_]).marginal(self.target_).numpy()
        return np.broadcast_to(table, (len(data), table.shape[1]))[:, self._places]
