"""What a network says of its target: tables, draws, and beliefs in rows by what is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmgraph.data.modality_rows import ModalityRows
from mmgraph.graph.errors import (
    EvidenceError,
    MmgraphError,
    TreewidthError,
    UnknownVariableError,
    suggestion,
)
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.state_labels import MISSING, index
from mmgraph.inference.query import joint, query, sample
from mmgraph.learning.prediction.prediction import evidence_chunks
from mmgraph.networks.bayesian_network import BayesianNetwork

Groups = Mapping[str, tuple[str, ...]]
"""The variables of each modality."""

_MOST_CELLS = 2**22


def variables_by_modality(
    net: BayesianNetwork,
    target: str,
    by: str | None,
    modalities: Mapping[str, Sequence[str] | str] | None,
) -> dict[str, tuple[str, ...]]:
    """Return what is looked at together: the variables of each modality, or each variable.

    Variables without a modality are never looked at, where modalities are.

    Raises
    ------
    UnknownVariableError
        If a modality that is given names what is no variable, or the target.
    MmgraphError
        If there is no modality, one is empty, or a variable stands in two.
    """
    if modalities is not None:
        if not modalities or by == "variable":
            raise MmgraphError(f"by={by!r}, modalities={modalities!r}: what is to be looked at?")
        groups = {m: (v,) if isinstance(v, str) else tuple(v) for m, v in modalities.items()}
        listed = [name for members in groups.values() for name in members]
        for name in listed:
            net.variable(name)
            if name == target:
                raise UnknownVariableError(f"the target '{name}' stands in a modality, too")
            if listed.count(name) > 1:
                raise MmgraphError(f"the variable '{name}' stands twice in the modalities")
        if empty := [modality for modality, members in groups.items() if not members]:
            raise MmgraphError(f"the modality '{empty[0]}' has no variables")
        return groups
    if by not in ("modality", "variable", None):
        raise MmgraphError(f"what is looked at is by 'modality' or 'variable', not by {by!r}")
    others = [name for name in net.variables if name != target]
    if by == "variable" or (by is None and all(net.variable(n).modality is None for n in others)):
        return {name: (name,) for name in others}
    groups = {}
    for name in others:
        if (modality := net.variable(name).modality) is not None:
            groups[modality] = (*groups.get(modality, ()), name)
    if not groups:
        raise MmgraphError(
            "no variable of the network has a modality: name them by "
            "modalities={'image': ['lesion', …], …}, or analyse by='variable'"
        )
    return groups


class NetworkBeliefs:
    """A network with its target, and the modalities that may be looked at."""

    def __init__(self, net: BayesianNetwork, target: str, groups: Groups) -> None:
        variable = net.variable(target)
        if not variable.is_discrete or variable.shape:
            raise MmgraphError(
                f"the target '{target}' is no scalar with states: discretise it, or name another"
            )
        self.net, self.target, self.groups = net, target, dict(groups)
        self.states = variable.labels

    def table(
        self, modalities: Sequence[str], evidence: Evidence | None = None
    ) -> Float64[np.ndarray, "... target"] | None:
        """Return the joint distribution, an axis a modality and the target last, where it fits.

        None where a variable has no states, or the table or those behind it would be too large.
        """
        names = [name for modality in modalities for name in self.groups[modality]]
        variables = [self.net.variable(name) for name in (*names, self.target)]
        if not all(v.is_discrete and not v.shape for v in variables):
            return None
        if prod(v.cardinality for v in variables) > _MOST_CELLS:
            return None
        try:
            whole = joint(self.net, [*names, self.target], evidence)
        except TreewidthError:
            return None
        shape = [prod(self.net.variable(n).cardinality for n in self.groups[m]) for m in modalities]
        return np.asarray(whole[0].numpy().reshape(*shape, len(self.states)))

    def draws(
        self, count: int, generator: torch.Generator, evidence: Evidence | None = None
    ) -> Evidence:
        """Return rows of all modalities, drawn from the network given a row of evidence."""
        drawn = sample(self.net, count, evidence, generator).codes
        rows: dict[str, Any] = {
            name: index(values) if self.net.variable(name).is_discrete else values
            for name, values in drawn.items()
            if any(name in members for members in self.groups.values())
        }
        return Evidence.of(rows, self.net.variables)

    def beliefs(
        self, evidence: Evidence, modalities: Iterable[str]
    ) -> Float64[np.ndarray, "rows states"]:
        """Return the posterior of the target in each row by what some modalities say."""
        names = {name for modality in modalities for name in self.groups[modality]}
        table = query(self.net, _only(evidence, names), [self.target]).marginal(self.target).numpy()
        return np.array(np.broadcast_to(table, (evidence.batch, len(self.states))))

    def read(self, data: object) -> tuple[Evidence, Int64[np.ndarray, " rows"]]:
        """Return rows, and the state of the target in each.

        Raises
        ------
        EvidenceError
            If a row has no target (which), or none has, or all rows lack a modality (which).
        """
        if isinstance(data, ModalityRows):
            evidence = Evidence.of(data, self.net.variables)
            self._check_columns(evidence, data)
            reader = self.net.variable(self.target)
            codes = np.array([reader.code(label) for label in data.target.labels])[data.codes]
            return evidence, codes
        chunks = list(evidence_chunks(self.net, data, (), {"extra": "ignore"}))
        evidence = _joined(chunks)
        labels = evidence.hard(self.target)
        if labels is None:
            raise EvidenceError(f"the data say nothing of the target '{self.target}'")
        codes = labels.numpy()
        if (codes == MISSING).any():
            raise EvidenceError(f"row {int((codes == MISSING).argmax())} has no '{self.target}'")
        self._check_columns(evidence, data)
        return evidence, codes

    def _check_columns(self, evidence: Evidence, data: object) -> None:
        """Refuse rows that lack a modality altogether: it would seem to tell nothing."""
        columns = data if isinstance(data, Mapping) else getattr(data, "columns", ())
        for modality, members in self.groups.items():
            if not any(evidence.tells(name) for name in members):
                hint = next(filter(None, (suggestion(name, columns) for name in members)), "")
                raise EvidenceError(
                    f"the data say nothing of '{modality}' ({', '.join(members)}){hint}; what is "
                    "to be looked at is named by modalities={…}"
                )

    def row(self, cells: object) -> Evidence:
        """Return a row, which does not say what the target is, as evidence."""
        evidence = Evidence.of(cells, self.net.variables)
        if evidence.batch != 1:
            raise EvidenceError(f"one row was expected, and {evidence.batch} are given")
        if evidence.tells(self.target):
            raise EvidenceError(f"the row says what '{self.target}' is: nothing is left to tell")
        return _only(evidence, {name for members in self.groups.values() for name in members})


def _only(evidence: Evidence, names: Iterable[str]) -> Evidence:
    """The evidence about some variables."""
    some = set(names)
    columns = [i for i, name in enumerate(evidence.columns) if name in some]
    return replace(
        evidence,
        columns=tuple(evidence.columns[i] for i in columns),
        codes=np.ascontiguousarray(evidence.codes[:, columns]),
        arrays={n: t for n, t in evidence.arrays.items() if n in some},
        soft={n: t for n, t in evidence.soft.items() if n in some},
        values={n: t for n, t in evidence.values.items() if n in some},
    )


def _joined(chunks: Sequence[Evidence]) -> Evidence:
    """Chunks of rows, which speak of the same columns, as one."""
    if len(chunks) == 1:
        return chunks[0]
    columns = tuple(dict.fromkeys(name for chunk in chunks for name in chunk.columns))
    codes = np.full((sum(chunk.batch for chunk in chunks), len(columns)), MISSING, np.int64)
    first = 0
    for chunk in chunks:
        places = [columns.index(name) for name in chunk.columns]
        codes[first : first + chunk.batch, places] = chunk.codes
        first += chunk.batch

    def side_by_side(parts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    return replace(
        chunks[0],
        batch=len(codes),
        columns=columns,
        codes=codes,
        arrays=side_by_side([chunk.arrays for chunk in chunks]),
        soft=side_by_side([chunk.soft for chunk in chunks]),
        values=side_by_side([chunk.values for chunk in chunks]),
    )
