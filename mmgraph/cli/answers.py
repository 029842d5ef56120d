"""What a model answered, as records for JSON and as columns for tables."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmgraph.graph.errors import MmgraphError, TreewidthError

if TYPE_CHECKING:
    from mmgraph.graph.factor_graph import FactorGraph
    from mmgraph.graph.variable import Variable
    from mmgraph.inference.assignment import Assignment
    from mmgraph.inference.posterior import Posterior

Columns = dict[str, list[Any]]
Record = dict[str, Any]


def posterior_records(posterior: Posterior, graph: FactorGraph) -> list[Record]:
    """Return one record a row of evidence; an array is answered element by element.

    Of continuous variables there are ``means`` and ``variances``. ``log_evidence`` is null where
    nothing tells log P(evidence). Of a model that is not normalised there is ``log_partition``,
    too, and ``log_partition_kind`` says how that is meant.
    """
    by_row = {"log_evidence": _log_evidence(posterior)}
    kind = {}
    if not posterior.is_normalised and posterior.has_log_partition:
        by_row["log_partition"] = posterior.log_partition.tolist()
        kind = {"log_partition_kind": posterior.log_partition_kind}
    records: list[Record] = [
        {
            "method": posterior.method,
            "exact": posterior.exact,
            "converged": posterior.converged,
            **dict(zip(by_row, numbers, strict=True)),
            **kind,
            "marginals": {},
        }
        for numbers in zip(*by_row.values(), strict=True)
    ]
    for element, labels, rows in _distributions(posterior, graph):
        names = [str(label) for label in labels]
        for record, distribution in zip(records, rows, strict=True):
            record["marginals"][element] = dict(zip(names, distribution, strict=True))
    for what in ("mean", "variance"):
        for element, column in _numbers(posterior, graph, what).items():
            for record, number in zip(records, column, strict=True):
                record.setdefault(f"{what}s", {})[element] = number
    return records


def totals(record: Record) -> list[str]:
    """Return what a record says of log P(evidence) and of the log-partition function, in words."""
    parts = []
    if record["log_evidence"] is not None:
        parts.append(f"log P(evidence) = {record['log_evidence']:.6g}")
    if "log_partition" in record:
        kind = record["log_partition_kind"]
        parts.append(f"log-partition function given the evidence {record['log_partition']:.6g}")
        parts[-1] += "" if kind == "exact" else f" ({kind})"
    return parts


def posterior_columns(posterior: Posterior, graph: FactorGraph) -> Columns:
    """Return the most probable state of each element, and the probability of each of its states.

    Of a real one its mean and its standard deviation.
    """
    columns: Columns = {}
    for element, labels, rows in _distributions(posterior, graph):
        best = [labels[max(range(len(row)), key=row.__getitem__)] for row in rows]
        by_state = zip(*rows, strict=True)
        by_state_name = {f"{element}={x}": list(p) for x, p in zip(labels, by_state, strict=True)}
        for name, column in {element: best, **by_state_name}.items():
            if name in columns:
                raise MmgraphError(f"two columns are called '{name}'; ask for one with --query")
            columns[name] = column
    variances = _numbers(posterior, graph, "variance")
    for element, means in _numbers(posterior, graph, "mean").items():
        columns[element] = means
        columns[f"{element}.sd"] = [max(variance, 0.0) ** 0.5 for variance in variances[element]]
    return columns


def assignment_records(best: Assignment, graph: FactorGraph) -> list[Record]:
    """Return one record a row of evidence."""
    gaps = [None] * len(best.log_weight) if best.gap is None else best.gap.tolist()
    return [
        {
            "method": best.method,
            "exact": best.exact,
            "assignment": {name: str(label) for name, label in best.labels(row).items()},
            "log_weight": log_weight,
            "gap": gap,
        }
        for row, (log_weight, gap) in enumerate(zip(best.log_weight.tolist(), gaps, strict=True))
    ]


def assignment_columns(best: Assignment, graph: FactorGraph) -> Columns:
    """Return the states of each variable, of an array element by element."""
    columns: Columns = {}
    for name, codes in best.states.items():
        lay_out = state_columns if best.variables[name].is_discrete else value_columns
        columns |= lay_out(best.variables[name], codes)
    return columns


def state_columns(variable: Variable, codes: Any) -> Columns:
    """Return the labels of state indices ``(lines, *shape)``, a column an element."""
    labels = _spelled(variable)
    return {
        element: [labels[code] for code in column]
        for element, column in value_columns(variable, codes).items()
    }


def value_columns(variable: Variable, values: Any) -> Columns:
    """Return numbers ``(lines, *shape)``, a column an element."""
    from mmgraph.graph.variable import element_names

    by_element = values.reshape(len(values), -1).T.tolist()
    return dict(zip(element_names(variable), by_element, strict=True))


@dataclass
class Account:
    """By which methods answers were found, and whether all are exact, and all converged."""

    methods: list[str] = field(default_factory=list)
    exact: bool = True
    converged: bool = True
    shortfall: str = ""

    def add(self, answer: Posterior | Assignment) -> None:
        """Count an answer in."""
        if answer.method not in self.methods:
            self.methods.append(answer.method)
        self.exact &= answer.exact
        self.converged &= answer.converged
        if not answer.converged:
            self.shortfall = answer.shortfall

    def __str__(self) -> str:
        title = f"{', '.join(self.methods)}, {'exact' if self.exact else 'approximate'}"
        if self.converged:
            return title
        return f"{title}, NOT CONVERGED" + (f" ({self.shortfall})" if self.shortfall else "")


def _distributions(
    posterior: Posterior, graph: FactorGraph
) -> list[tuple[str, list[Any], list[list[float]]]]:
    """Each element with its labels, and a distribution a row."""
    from mmgraph.graph.variable import element_names

    distributions = []
    for name, table in posterior.marginals.items():
        # An element of an array may have been asked for by its own name, as x[0,1].
        variable = graph.variables.get(name) or graph.variables[name.rpartition("[")[0]]
        elements = element_names(variable) if name in graph.variables else [name]
        labels = _spelled(variable)
        parts = table.detach().cpu().reshape(len(table), len(elements), len(labels)).unbind(1)
        distributions += [(e, labels, p.tolist()) for e, p in zip(elements, parts, strict=True)]
    return distributions


def _numbers(posterior: Posterior, graph: FactorGraph, what: str) -> Columns:
    """The means or variances of continuous variables, a column an element."""
    columns: Columns = {}
    for name in posterior.variables:
        if name not in posterior.marginals:
            numbers = getattr(posterior, what)(name).detach().cpu()
            columns |= value_columns(graph.variables[name], numbers)
    return columns


def _log_evidence(posterior: Posterior) -> list[float | None]:
    """Of each row; None where it is not known, or would take more memory than there is."""
    if posterior.has_log_evidence:
        with contextlib.suppress(TreewidthError):
            return list(posterior.log_evidence.tolist())
    return [None] * posterior.batch


def _spelled(variable: Variable) -> list[Any]:
    """A variable's labels; as text where they are of several types."""
    labels = list(variable.labels)
    return labels if len({type(label) for label in labels}) == 1 else [str(x) for x in labels]
