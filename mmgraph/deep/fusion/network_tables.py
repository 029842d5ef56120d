"""Tables of a network as parameters, which learn through exact inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mmgraph.graph.errors import GraphError
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.soft_evidence import soft
from mmgraph.graph.state_labels import index
from mmgraph.graph.variable import Variable
from mmgraph.inference.exact.impossible_evidence import check_possible
from mmgraph.inference.exact.torch_contraction import log_evidence

_AGREEMENT = 0.9
"""How probable it is at first that a modality shows the class itself."""


class NetworkTables(nn.Module):
    """The tables of a discrete network, of each member, as parameters; its answers, exact.

    A table of a child is normalised, whatever its parameters are; hard zeros stay.

    Parameters
    ----------
    network : FactorGraph
        Whose tables are those to begin with.
    members : int

    Raises
    ------
    GraphError
        If it has factors that are no tables.
    """

    def __init__(self, network: FactorGraph, members: int) -> None:
        super().__init__()
        self.scopes: list[tuple[Variable, ...]] = []
        self.child_axes: list[int | None] = []
        self.zeros: list[Tensor] = []
        self.tables = nn.ParameterList()
        for factor in network.factors:
            if not isinstance(factor, TableFactor):
                raise GraphError(f"{factor!r} is no table: no others are learned with encoders")
            table = factor.log_values.detach().float()
            self.zeros.append(table.isneginf())
            start = table.masked_fill(self.zeros[-1], 0.0)
            self.tables.append(nn.Parameter(start.repeat(members, *[1] * start.ndim)))
            self.scopes.append(factor.scope)
            child = factor.child
            self.child_axes.append(None if child is None else factor.scope.index(child))
        self.graph = FactorGraph(network.variables.values(), self._factors(0))

    def _factors(self, member: int) -> list[TableFactor]:
        """The tables of a member."""
        factors = []
        for place, scope in enumerate(self.scopes):
            table, child = self.tables[place][member].double(), self.child_axes[place]
            table = table.masked_fill(self.zeros[place].to(table.device), -torch.inf)
            table = table if child is None else table.log_softmax(child)
            factors.append(TableFactor(scope, log_values=table))
        return factors

    def log_posterior(
        self,
        target: str,
        likelihoods: Mapping[str, Float[Tensor, "members rows states"]],
        observed: Mapping[str, object] | None = None,
    ) -> Float[Tensor, "members rows states"]:
        """Return log P(target | evidence) of rows, differentiable in tables and likelihoods.

        Parameters
        ----------
        target : str
        likelihoods : mapping of str to Tensor
            Logarithms, up to a constant a row: zeros where nothing is known.
        observed : mapping of str to sequence, optional
            Cells of other variables, as evidence reads them.

        Raises
        ------
        ZeroProbabilityError
            If a row is impossible (which).
        """
        answers = [
            self._of_member(member, target, likelihoods, observed or {})
            for member in range(len(self.tables[0]))
        ]
        return torch.stack(answers)

    def _of_member(
        self,
        member: int,
        target: str,
        likelihoods: Mapping[str, Tensor],
        observed: Mapping[str, object],
    ) -> Float[Tensor, "rows states"]:
        graph = self.graph.with_factors(self._factors(member))
        said = {name: soft(table[member].double()) for name, table in likelihoods.items()}
        rows = Evidence.of({**observed, **said}, graph.variables)
        states = graph.variables[target].cardinality
        codes = torch.arange(states).repeat(rows.batch)
        every = rows.rows(torch.arange(rows.batch).repeat_interleave(states).numpy())
        each = Evidence.of({target: index(codes)}, graph.variables)
        columns = (*every.columns, target)
        table = torch.cat([torch.from_numpy(every.codes), torch.from_numpy(each.codes)], 1).numpy()
        joint = log_evidence(
            graph, Evidence(graph.variables, len(codes), columns, table, {}, every.soft)
        ).reshape(rows.batch, states)
        check_possible(graph, rows, joint.detach().logsumexp(1), None)
        return joint.log_softmax(1)


def star_network(modalities: Iterable[str], classes: int, states: int) -> FactorGraph:
    """Return a network of a class and what each modality shows of it.

    Where there are other numbers of states than of classes, they share each other out.
    """
    cause = Variable("class", classes)
    table = torch.full((classes, states), (1 - _AGREEMENT) / states)
    longest = torch.arange(max(classes, states))
    table[longest % classes, longest % states] += _AGREEMENT
    table /= table.sum(1, keepdim=True)
    shown = [Variable(f"shown by {modality}", states) for modality in modalities]
    factors = [TableFactor([cause], torch.full((classes,), 1 / classes), child=cause)]
    factors += [TableFactor([cause, one], table, child=one) for one in shown]
    return FactorGraph([cause, *shown], factors)
