"""The causal model: a graph, where there is one its network, and the questions put to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import networkx as nx

from mmgraph.causal.adjustment import adjustment_sets, front_door, instruments, optimal_set
from mmgraph.causal.bounds.effect import EffectBounds, effect_bounds
from mmgraph.causal.counterfactuals.structural_model import StructuralModel
from mmgraph.causal.counterfactuals.table_bounds import CounterfactualBounds, counterfactual_bounds
from mmgraph.causal.counterfactuals.worlds import World
from mmgraph.causal.estimation import effects
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.graph.causal_graph import CausalGraph, Edge, Names, as_names
from mmgraph.causal.graph.dagitty import read_dagitty
from mmgraph.causal.graph.learned_edges import learned_edges
from mmgraph.causal.identification.answer import Identification, identify
from mmgraph.causal.missing_data.recoverability import Recovery, recoverable
from mmgraph.graph.errors import CausalError
from mmgraph.interop.causal_graphs import to_gml, to_pgmpy_dag
from mmgraph.networks.bayesian_network import BayesianNetwork

if TYPE_CHECKING:
    from pgmpy.base import DAG


class CausalModel:
    """A causal graph over observed variables, and the causal questions that it answers.

    Parameters
    ----------
    nodes : sequence of str
        The observed variables; their order is that of axes wherever tables are given.
    directed : iterable of (cause, effect)
    bidirected : iterable of (str, str), optional
        Pairs of variables that share a hidden cause.
    modalities : mapping of str to str, optional
        The modality of some variables.

    Raises
    ------
    GraphError, UnknownVariableError
        As :class:`~mmgraph.causal.graph.causal_graph.CausalGraph`; or if ``modalities`` names what
        is no node.

    Attributes
    ----------
    graph : CausalGraph
    modalities : dict of str to str
    network : BayesianNetwork or None
        Where numbers come from if no table and no data are given; its variables may be more than
        the observed ones.
    latent : frozenset of str
        Variables that were projected out of the graph.
    roles : dict of str to tuple of str
        What a dagitty text says of variables: ``exposure``, ``outcome``, ``latent``, ``adjusted``,
        ``selected``. They are for the reader: no question takes them as asked.
    """

    def __init__(
        self,
        nodes: Sequence[str],
        directed: Iterable[Edge] = (),
        bidirected: Iterable[Edge] = (),
        modalities: Mapping[str, str] | None = None,
    ) -> None:
        self.graph = CausalGraph(nodes, directed, bidirected)
        self.graph.check_nodes(modalities or {}, "modalities")
        self.modalities = dict(modalities or {})
        self.network: BayesianNetwork | None = None
        self.latent: frozenset[str] = frozenset()
        self.roles: dict[str, tuple[str, ...]] = {}

    @classmethod
    def _of(cls, graph: CausalGraph, modalities: Mapping[str, str] | None = None) -> CausalModel:
        edges = graph.directed.edges, graph.bidirected.edges
        return cls(graph.nodes, *edges, modalities=modalities)

    @classmethod
    def from_network(cls, net: BayesianNetwork, latent: Names = ()) -> CausalModel:
        """Return the model of a Bayesian network, whose exact answers give the numbers.

        Parameters
        ----------
        net : BayesianNetwork
        latent : str or collection of str, optional
            Variables that nobody observes: they stay in the network, and are no nodes.

        Raises
        ------
        UnknownVariableError
            If ``latent`` names what is no variable of the network.
        """
        graph = CausalGraph.projected(list(net.variables), net.edges, latent)
        named = {n: net.variables[n].modality for n in graph.nodes}
        model = cls._of(graph, {n: m for n, m in named.items() if m is not None})
        model.network, model.latent = net, frozenset(as_names(latent))
        return model

    @classmethod
    def from_structure(cls, found: Any, orient: Collection[Edge] = ()) -> CausalModel:
        """Return the model of a learned structure's edges: every common cause is observed.

        Edges that may run either way run as in the structure's graph, and an
        ``OpenDirectionWarning`` names them unless ``orient`` does. After FCI it is the model of the
        PAG, ``<->`` being a hidden common cause.

        Parameters
        ----------
        found : LearnedStructure
            What :func:`mmgraph.learn_structure` returns.
        orient : collection of (cause, effect), optional
            Which way edges run that may run either way; ``found.edges`` takes all as they are.

        Raises
        ------
        CausalError
            If the PAG leaves open which way an edge runs (which), or ``orient`` names one that the
            data do not leave open.
        """
        modalities = {n: m for n, m in (getattr(found, "modalities", None) or {}).items() if m}
        return cls(found.names, *learned_edges(found, orient), modalities)

    @classmethod
    def from_dagitty(
        cls, source: str | PathLike[str], modalities: Mapping[str, str] | None = None
    ) -> CausalModel:
        """Return the model of a dagitty text, its latent variables projected out.

        Parameters
        ----------
        source : str or path
            A text such as ``"dag { x -> {y z}; x <-> z }"``, a path, or the name of a published
            graph that pgmpy ships: ``"Acid_1996"``, ``"Shrier_2008"``, …
        modalities : mapping of str to str, optional

        Raises
        ------
        FormatError
            If it is no such text (line, and what was expected), or there is no such file or name.
        """
        found = read_dagitty(source)
        model = cls._of(found.graph, modalities)
        model.roles, model.latent = found.roles, frozenset(found.roles.get("latent", ()))
        return model

    @property
    def nodes(self) -> tuple[str, ...]:
        """The observed variables, in the order of a table's axes."""
        return self.graph.nodes

    def __repr__(self) -> str:
        graph = self.graph
        return (
            f"CausalModel({len(graph.nodes)} nodes, {graph.directed.number_of_edges()} directed, "
            f"{graph.bidirected.number_of_edges()} bidirected edges)"
        )

    def identify(
        self,
        outcome: Sequence[str] | str,
        do: Sequence[str] | str = (),
        given: Sequence[str] | str = (),
    ) -> Identification:
        """Return whether and how the observed joint determines P(outcome | do(do), given).

        Complete, by the algorithms ID and IDC (Shpitser and Pearl 2006): the answer holds a
        formula, or a hedge where none exists. Not to be identifiable is an answer, and no error.

        Raises
        ------
        CausalError
            If a variable is named twice, an outcome is set, or a variable is latent.
        """
        for what, names in (("outcome", outcome), ("do", do), ("given", given)):
            for name in self.latent.intersection(as_names(names)):
                raise CausalError(f"{what} names '{name}', which is latent: nobody observes it")
        return identify(self.graph, outcome, do, given, self.network)

    def counterfactual(
        self, query: Sequence[World], given: Sequence[World] = (), coupling: str | None = None
    ) -> CounterfactualBounds:
        """Return the probability of events in some worlds given events in others, or its bounds.

        Parameters
        ----------
        query, given : sequence of (do, event)
            As for :meth:`~mmgraph.StructuralModel.probability`, of one row.
        coupling : {"monotone", "gumbel_max"}, optional
            Take one structural model that has the network's tables, as
            :meth:`~mmgraph.StructuralModel.from_network` says; by default bounds over all of them.
            Where functions are known, ask a :class:`~mmgraph.StructuralModel` itself.

        Raises
        ------
        CausalError
            If the model has no network, or as :func:`mmgraph.counterfactual_bounds`, whose other
            errors are raised, too.
        """
        if self.network is None:
            raise CausalError(
                "a graph alone has no numbers: counterfactuals need CausalModel.from_network, or a "
                "StructuralModel"
            )
        if coupling is None:
            return counterfactual_bounds(self.network, query, given)
        p = StructuralModel.from_network(self.network, coupling).probability(query, given)
        if not isinstance(p, float):
            raise CausalError("the events are of one row; a StructuralModel answers many at once")
        return CounterfactualBounds(p, p, True, ())

    def bounds(self, outcome: Names, do: Names, joint: Any) -> EffectBounds:
        """Return bounds of P(outcome | do(do)), where ``identify`` finds no formula.

        As :func:`mmgraph.causal.bounds.effect.effect_bounds` of the graph: ``joint`` is an array,
        an axis a node in the order of ``nodes``; ``sharp`` says whether no narrower bounds hold.
        """
        return effect_bounds(self.graph, as_names(outcome), as_names(do), joint)

    def _of_nodes(self, latent: Names) -> list[str]:
        """Of variables that are not measured, those that the graph has not lost already."""
        return [name for name in as_names(latent) if name not in self.latent]

    def adjustment_sets(
        self,
        treatments: Names,
        outcomes: Names,
        minimal: bool = True,
        latent: Names = (),
        required: Names = (),
    ) -> list[frozenset[str]]:
        """Return all (minimal) sets whose adjustment gives the effect; empty if there is none.

        As :func:`mmgraph.causal.adjustment.adjustment_sets.adjustment_sets` of the graph.
        """
        return adjustment_sets.adjustment_sets(
            self.graph, treatments, outcomes, minimal, self._of_nodes(latent), required
        )

    def optimal_adjustment_set(
        self, treatments: Names, outcomes: Names, latent: Names = (), minimal: bool = False
    ) -> frozenset[str] | None:
        """Return the adjustment set of the most precise estimate, or that of the minimal ones.

        None if there is none: see
        :func:`mmgraph.causal.adjustment.optimal_set.optimal_adjustment_set` and, for the minimal
        ones, :func:`mmgraph.causal.adjustment.adjustment_sets.minimal_adjustment_set`.
        """
        asked = self.graph, treatments, outcomes, self._of_nodes(latent)
        if minimal:
            return adjustment_sets.minimal_adjustment_set(*asked)
        return optimal_set.optimal_adjustment_set(*asked)

    def front_door_sets(
        self, treatments: Names, outcomes: Names, minimal: bool = True, latent: Names = ()
    ) -> list[frozenset[str]]:
        """Return all (minimal) front-door sets; empty if there is none.

        As :func:`mmgraph.causal.adjustment.front_door.front_door_sets` of the graph.
        """
        hidden = self._of_nodes(latent)
        return front_door.front_door_sets(self.graph, treatments, outcomes, minimal, hidden)

    def instruments(
        self, treatment: str, outcome: str, latent: Names = (), ancestral: bool = True
    ) -> list[tuple[str, frozenset[str]]]:
        """Return instruments of the effect, each with the set to condition on; empty if none.

        As :func:`mmgraph.causal.adjustment.instruments.instruments` of the graph.
        """
        hidden = self._of_nodes(latent)
        return instruments.instruments(self.graph, treatment, outcome, hidden, ancestral)

    def recoverable(
        self, outcomes: Sequence[str] | str, given: Sequence[str] | str = (), prefix: str = "R_"
    ) -> Recovery:
        """Return whether rows with missing cells determine P(outcomes | given), and how.

        As :func:`mmgraph.recoverable` of the graph; its node ``R_x``: whether ``x`` is observed.
        """
        return recoverable(self.graph, outcomes, given, prefix)

    def effect(
        self,
        outcome: str | Mapping[str, Any],
        do: str | Mapping[str, Any],
        baseline: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        data: object = None,
        method: str = "auto",
        kind: str = "average",
        through: object = None,
        **options: Any,
    ) -> Effect:
        """Return what setting variables changes in the mean of an outcome.

        Without ``data`` exact, from the model's network; with it an estimate with an interval, by
        whatever the graph allows: the adjustment set of least variance, the front door, the formula
        of the ID algorithm, or an instrument (which assumes more, as the answer says). Where the
        graph allows none, the answer holds bounds instead of a number.

        Parameters
        ----------
        outcome : str or {str: state}
            A variable; with a state the effect is on its probability. By default that of numbers
            (or labels that are numbers) is on the mean, of two states on the probability of the
            last; ``scores`` gives each state a number.
        do : {str: state or number}, or str
            What is set; a name alone stands for its last of two states, or for one unit more.
        baseline : {str: state or number}, optional
            What that is compared with; by default the other one of two states.
        given : {str: state}, optional
            The part of the population in which the effect is asked for (``kind="conditional"``).
        data : pandas.DataFrame, mapping of str to array, or path, optional
            Complete rows. Continuous columns are adjusted for by regressions.
        method : str
            ``auto``; ``plug_in``, ``inverse_weighting``, ``doubly_robust`` and ``regression`` of an
            adjustment set (with states alone the first three are one number); ``front_door``,
            ``formula`` or ``instrument``.
        kind : str
            ``average``, ``conditional``, ``controlled direct`` (mediators are set, by a mapping
            ``through``), ``natural direct``, ``natural indirect``, or ``through``: how much of the
            effect runs through some mediators, which is the natural indirect effect, with the
            others as ``parts``.
        through : str, sequence of str, or {str: state}, optional
            Modalities or variables; by default all mediators.
        **options
            ``by`` (variables: the effect in each of their strata) and ``scores``; of data
            ``adjustment`` (a set of one's own, checked), ``learner`` (``"linear"``, ``"boosting"``,
            or a pair of scikit-learn estimators, of outcome and treatment; cross-fitted),
            ``empty`` (strata without one of the treatments: ``"raise"``, ``"drop"`` for the effect
            in the overlap, ``"bounds"``), ``weights`` and ``groups`` (columns, or a value a row;
            rows of a group depend on one another), ``interventions`` (the column that names what an
            experiment set: rows in which it does are left out), ``interval`` (``"analytical"``,
            ``"percentile"``, ``"BCa"``), ``level`` (.95), ``draws`` of the bootstrap (1000) and
            ``generator``.

        Raises
        ------
        CausalError
            If the question has no meaning: an effect of a variable on itself, a latent variable,
            an option or a method that does not fit.
        UnknownVariableError, UnknownStateError, EvidenceError
            If a name is no node or column, or a state is none of the variable's.
        LearningError
            If the rows do not tell: a constant treatment, a stratum without one of the treatments
            (which), a missing cell, too few rows.

        References
        ----------
        Hahn (1998), "On the role of the propensity score in efficient semiparametric estimation of
        average treatment effects"; Chernozhukov et al. (2018), "Double/debiased machine learning".
        """
        return effects.effect(
            self.graph,
            self.modalities,
            self.network,
            self.latent,
            outcome,
            do,
            data,
            baseline=baseline,
            given=given,
            method=method,
            kind=kind,
            through=through,
            **options,
        )

    def to_networkx(self) -> nx.MultiDiGraph:
        """Return the graph as multigraph of networkx.

        Nodes carry ``modality``, edges ``kind``: ``"directed"`` or ``"bidirected"``; a bidirected
        edge stands once in each direction.
        """
        made: nx.MultiDiGraph = nx.MultiDiGraph()
        for node in self.nodes:
            made.add_node(node, modality=self.modalities.get(node))
        made.add_edges_from(self.graph.directed.edges, kind="directed")
        for a, b in self.graph.bidirected.edges:
            made.add_edges_from([(a, b), (b, a)], kind="bidirected")
        return made

    def to_dowhy(self) -> str:
        """Return the graph in GML, for ``dowhy.CausalModel(graph=…)``; hidden causes are nodes."""
        return to_gml(self.nodes, self.graph.directed.edges, self.graph.bidirected.edges)

    def to_pgmpy(self) -> DAG:
        """Return the graph as ``DAG`` of pgmpy, hidden causes being its latents (``interop``)."""
        graph = self.graph
        edges = graph.directed.edges, graph.bidirected.edges
        return to_pgmpy_dag(self.nodes, *edges, self.modalities)
