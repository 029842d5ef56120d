"""Bayesian networks: a directed acyclic graph and one conditional distribution a variable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from mmgraph.data.encoding import READING, read_with
from mmgraph.data.inferred_states import Bins
from mmgraph.data.tables import open_table
from mmgraph.graph.errors import GraphError, LearningError, UnknownVariableError
from mmgraph.graph.factor import Factor
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.learning.conditionals import fitting
from mmgraph.learning.conditionals.skeleton import skeleton
from mmgraph.learning.structure.network_parameters import network_parameters
from mmgraph.learning.structure.reading import structure_data
from mmgraph.networks.conditional_tables import as_table, checked_by_child, forced_distribution
from mmgraph.networks.predicting_network import PredictingNetwork

if TYPE_CHECKING:
    from mmgraph.learning.conditionals.em_records import EMReport
    from mmgraph.learning.structure.learned_structure import LearnedStructure


class BayesianNetwork(PredictingNetwork):
    """A factor graph whose factors are conditional distributions along a directed acyclic graph.

    Parameters
    ----------
    variables : iterable of Variable
        In any order.
    distributions : iterable of Factor
        One for each variable, with that variable as ``child``: a :class:`TableFactor` with axes
        ``(*parents, child)``, a noisy-OR, a Gaussian leaf, …

    Raises
    ------
    GraphError
        If a distribution is missing, given twice, not normalised (which row, and its sum), or the
        graph has a cycle (which one).

    Attributes
    ----------
    fit_report : EMReport or None
        How expectation maximisation went, if the last :meth:`fit` used it.
    parameter_posterior : ParameterPosterior or None
        What is believed of the parameters, if the last :meth:`fit` was to keep it: a record for
        each child, with ``sample``, ``mean`` and ``interval``. Files do not hold it.
    """

    def __init__(self, variables: Iterable[Variable], distributions: Iterable[Factor]) -> None:
        super().__init__(variables, distributions)
        self.fit_report: EMReport | None = None

    @classmethod
    def from_tables(
        cls,
        edges: Iterable[tuple[str, str]],
        tables: Mapping[str, object],
        states: Mapping[str, int | Sequence[Any]] | None = None,
        modalities: Mapping[str, str] | None = None,
    ) -> BayesianNetwork:
        """Build from edges and one table a variable.

        Parameters
        ----------
        edges : iterable of (parent, child)
            The order in which a child's parents appear is the order of its table's axes.
        tables : mapping of str to array-like
            ``(*parent states, child states)`` for each variable.
        states : mapping, optional
            The number of states or their labels; by default the length of the table's last axis.
        modalities : mapping of str to str, optional
            The modality of some of the variables.

        Raises
        ------
        GraphError
            If an edge names a variable that has no table, beside the errors of the class itself.
        """
        arrays = {name: as_table(name, table) for name, table in tables.items()}
        parents: dict[str, list[str]] = {name: [] for name in arrays}
        for edge in edges:
            if isinstance(edge, str) or len(edge) != 2:
                raise GraphError(f"the edge {edge!r} is not a pair (parent, child)")
            parent, child = edge
            for name in (parent, child):
                if name not in arrays:
                    raise GraphError(
                        f"the edge {parent} -> {child} names '{name}', without a table"
                    )
            parents[child].append(parent)
        states, modalities = states or {}, modalities or {}
        for kind, names in (("states", states), ("a modality", modalities)):
            for name in names:
                if name not in arrays:
                    raise GraphError(f"{kind} given for '{name}', which has no table")
        variables = {}
        for name, array in arrays.items():
            labels: Any = states.get(name, array.shape[-1])
            variables[name] = Variable(name, labels, modality=modalities.get(name))
        tables_by_child = (
            TableFactor([*(variables[p] for p in parents[name]), child], arrays[name], child=child)
            for name, child in variables.items()
        )
        return cls(variables.values(), tables_by_child)

    @classmethod
    def from_data(
        cls,
        data: object,
        edges: Iterable[tuple[str, str]],
        method: str = "auto",
        states: Mapping[str, int | Sequence[Any]] | None = None,
        modalities: Mapping[str, str] | None = None,
        variables: Sequence[str] | None = None,
        bins: Bins | None = None,
        continuous: Sequence[str] | None = None,
        **options: Any,
    ) -> Self:
        """Build from edges and a table, learning kinds, states and parameters.

        Columns of fractions, and of more than ten distinct whole numbers (unless these just number
        the rows), are continuous: their distributions are :class:`LinearGaussian`. All others have
        states.

        Parameters
        ----------
        data : frame of pandas or Dask, mapping of str to array, or path of a CSV or Parquet file
        edges : iterable of (parent, child)
            Of columns, or of latent variables that ``states`` or ``continuous`` names.
        method, **options
            As for :meth:`fit`, ``missing`` and ``encoding`` among them.
        states : mapping, optional
            The number of states or their labels of some variables; by default the sorted labels in
            their column.
        modalities : mapping of str to str, optional
            The modality of some variables.
        variables : sequence of str, optional
            The columns to model; by default all of them.
        bins : mapping of str to int or sequence of float, optional
            Numeric columns that are put into bins, so many of equally many rows or between these
            edges: ``bins={"age": 5, "weight": [0, 50, 70, 90, inf]}``. Their states are intervals,
            and a number is read as the one that holds it, here and in evidence.
        continuous : sequence of str, optional
            Columns that are continuous whatever their cells are; or latent variables.

        Warns
        -----
        ManyStatesWarning
            If a column has more than twenty states: texts, or an identifier?

        Raises
        ------
        UnknownVariableError
            If an edge or an option names what is no column.
        LearningError
            If there are no rows, a column is constant, an edge leads from a continuous column to
            one with states, or as for :meth:`fit`.
        """
        table = open_table(data, **{k: options.pop(k) for k in READING if k in options})
        made, uninformed, table = skeleton(
            table, edges, states, modalities, variables, bins, continuous
        )
        return cls(made, uninformed).fit(table, method, **options)

    @classmethod
    def from_structure(
        cls,
        structure: LearnedStructure,
        data: object,
        method: str = "auto",
        *,
        interventions: str | None = None,
        consensus: bool = False,
        weights: object = None,
        **options: Any,
    ) -> Self:
        """Build from a learned structure, with parameters from the rows that it was learned from.

        Parameters
        ----------
        structure : LearnedStructure
        data : pandas or Dask DataFrame, mapping of str to array, path, or MultimodalData
            Columns that are no variables of the structure are passed over.
        method, **options
            As for :meth:`fit`; and ``states``, ``bins``, ``continuous`` of :meth:`from_data`.
        interventions : str, optional
            The column that names what a row's experiment set, as for
            :func:`mmgraph.learn_structure`: a variable's distribution skips the rows that set it.
        consensus : bool
            Take the averaged graph of the bootstrap, not the best one.
        weights : str or array-like, optional
            A column, or how often each row counts.

        Raises
        ------
        UnknownVariableError
            If a column is not there, or a variable that an experiment set.
        LearningError
            If the structure is a partial ancestral graph, or has no consensus and that is asked
            for; if a variable was set in every row; or as for :meth:`fit`.
        IncompleteDataError
            If cells are missing and there are interventions.
        """
        edges = structure.consensus if consensus else structure.edges
        if edges is None or structure.pag is not None:
            what = "no consensus: learn it with bootstrap=200" if edges is None else "no directions"
            raise LearningError(f"a structure by {structure.method} has {what}")
        options = {"extra": "ignore", **options}
        reading = {k: options.pop(k) for k in READING if k in options}
        kinds: dict[str, Any] = {
            k: options.pop(k) for k in ("states", "bins", "continuous") if k in options
        }
        kinds |= {"variables": structure.names, "modalities": structure.modalities}
        rows = structure_data(data, interventions, weights=weights, reading=reading, **kinds)
        fitted = network_parameters(rows, edges, method, **options)
        net = cls(rows.variables, fitted.factors)
        net.fit_report, net.parameter_posterior = fitted.report, fitted.posterior
        return net

    def do(
        self, interventions: Mapping[str, object] | None = None, **named: object
    ) -> BayesianNetwork:
        """Return the mutilated network: the variables set by force, their causes cut off.

        Parameters
        ----------
        interventions : mapping of str to state or real numbers
            The variables that are set, for names that are not Python identifiers.
        **named
            The same by keyword: ``net.do(HRBP="HIGH")``.

        Raises
        ------
        UnknownVariableError, UnknownStateError
            If the network lacks the variable or the variable lacks the state.

        References
        ----------
        Pearl, *Causality* (2009), section 3.2.3, the truncated factorisation.
        """
        if not isinstance(interventions, Mapping | None):
            raise UnknownVariableError(f"do takes states by variable, not {interventions!r}")
        settings = {**(interventions or {}), **named}
        forced: dict[str, Factor] = {}
        for name, state in settings.items():
            forced[name] = forced_distribution(self.variable(name), state)
        return self.replace_distributions(forced)

    def replace_distributions(self, distributions: Mapping[str, Factor]) -> Self:
        """Return the network with the distributions of some variables exchanged.

        Those are taken as known by the posterior of the parameters, which the others keep.
        """
        made = self.with_factors(
            distributions.get(name, self._by_child[name]) for name in self.variables
        )
        if self.parameter_posterior is not None:
            made.parameter_posterior = self.parameter_posterior.with_fixed(distributions)
        return made

    def fit(self, data: object, method: str = "auto", **options: Any) -> Self:
        """Learn the parameters of all distributions, in place.

        The one method that changes a network: what it learned replaces the distributions, and
        plans made for the old ones are forgotten. If it fails, the network is as it was.

        Parameters
        ----------
        data : frame of pandas or Dask, mapping of str to array, path of CSV or Parquet, or Evidence
            A variable without a column, or a cell without a value (None, NaN, empty in a file, -1
            where that is no label), is missing.
        method : {"auto", "maximum_likelihood", "bdeu", "dirichlet", "em"}
            ``auto`` is ``em`` where a variable or a cell is missing; otherwise ``bdeu`` or
            ``dirichlet`` where their parameter is given, and maximum likelihood where none is.
        **options
            ``equivalent_sample_size`` of ``bdeu`` (default 10) and ``pseudo_counts`` of
            ``dirichlet`` (default 1), both of ``em`` as well (default none), see
            :class:`mmgraph.Prior`; ``weights`` (how often each row counts), ``chunk_rows`` (how
            many are worked through at once), ``posterior=True`` (keep what complete rows say of
            the parameters: Dirichlet and Normal-inverse-gamma distributions), ``device`` (where
            complete data is counted, and EM infers; what is learned is on the CPU); ``shrinkage``
            and ``floor`` of real variables, see
            :class:`~mmgraph.learning.conditionals.priors.LeafOptions`; of EM ``start``,
            ``restarts``, ``max_iterations``, ``tolerance``, ``generator``, ``progress``,
            ``checkpoint``, ``memory_budget``, see
            :class:`~mmgraph.learning.conditionals.em_records.EMOptions`. Of the table, see
            :func:`~mmgraph.data.tables.open_table`: ``missing`` (what else stands for a missing
            cell), ``encoding``, ``separator``, and ``extra="ignore"`` to pass over columns that are
            no variables.

        Returns
        -------
        BayesianNetwork
            The network itself, so that ``net.fit(frame).predict(rows, "activity")`` works.

        Warns
        -----
        ConvergenceWarning
            If EM ended at its last iteration allowed.
        UnseenConfigurationWarning
            If parent configurations have neither rows nor pseudo-counts: which, and how many.

        Raises
        ------
        LearningError, UnknownVariableError, UnknownStateError, EvidenceError, FormatError
            If data, method, options and network do not fit together; names column, row and value.
        """
        reading = {k: options.pop(k) for k in READING if k in options}
        fitted = fitting.fitted(self, read_with(data, reading), method, **options)
        by_child = checked_by_child(self.variables, fitted.factors)
        self.exchange_factors(fitted.factors)
        self._by_child = by_child
        self.fit_report, self.parameter_posterior = fitted.report, fitted.posterior
        return self
