"""A data set as the statistics of clamped units, ready to be cut into batches."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.graph.errors import LearningError, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.factor_graph import FactorGraph
from mmgraph.inference.field.clamping import Clamped, clamped
from mmgraph.inference.model_variables import is_compact


@dataclass(frozen=True)
class TrainingRows:
    """The rows that a Boltzmann machine learns from: the known units of each observed layer."""

    count: int
    clamped: dict[str, Clamped]

    @classmethod
    def of(
        cls,
        graph: FactorGraph,
        evidence: Evidence,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        may_be_constant: bool = False,
        wide: bool = False,
    ) -> TrainingRows:
        """Read evidence once, in the place and precision that training works in.

        Gaussian units must vary, lest their precision grows without bound; they ``may_be_constant``
        in one batch of many, if others have taught the precision. Real values may stay ``wide``, in
        double precision, as long as they are not standardised: what differs in the eighth digit is
        the same number in single precision.
        """
        if evidence.soft:
            name = next(iter(evidence.soft))
            raise LearningError(f"soft evidence for '{name}': training needs values")
        known: dict[str, Clamped] = {}
        for name in evidence.observed():
            if not is_compact(graph, name):
                raise LearningError(f"'{name}' is no layer of units, and cannot be trained on")
            variable = graph.variable(name)
            precision = torch.float64 if wide and variable.is_real else dtype
            units = clamped(evidence, variable, torch.device(device), precision)
            if units is not None:
                known[name] = Clamped(units.values.contiguous(), units.known)
        if not known:
            raise LearningError("nothing is observed: there is nothing to learn from")
        rows = cls(evidence.batch, known)
        rows._check(graph, may_be_constant)
        return rows

    def _check(self, graph: FactorGraph, may_be_constant: bool) -> None:
        observed = torch.zeros(self.count, dtype=torch.bool)
        for name, (_, known) in self.clamped.items():
            variable = graph.variables[name]
            here = torch.ones(self.count, dtype=torch.bool) if known is None else known.cpu()
            observed |= here.reshape(self.count, -1).any(1)
            if variable.family == "gaussian" and self.count > 1 and not may_be_constant:
                self._check_variation(name)
        if not bool(observed.all()):
            row = int((~observed).nonzero()[0, 0])
            raise LearningError(f"row {row} observes nothing; leave it out")

    def _check_variation(self, name: str) -> None:
        values, known = self.clamped[name]
        flat = values.reshape(self.count, -1)
        if known is None:
            low, high = flat.amin(0), flat.amax(0)
        else:
            here = known.reshape(self.count, -1)
            low = flat.masked_fill(~here, torch.inf).amin(0)
            high = flat.masked_fill(~here, -torch.inf).amax(0)
        constant = (low >= high).nonzero()
        if len(constant):
            shape = values.shape[1:]
            index = int(constant[0, 0])
            place = [int(i) for i in torch.unravel_index(torch.tensor(index), shape)]
            value = f"{float(low[index]):g}" if bool(low[index] == high[index]) else "unknown"
            raise LearningError(
                f"'{name}{place if place else ''}' has the same value ({value}) in every row: the "
                "precision of a Gaussian unit cannot be learned from it; leave it out"
            )

    def batch(self, index: Int64[Tensor, " rows"] | slice) -> dict[str, Clamped]:
        """Return some rows, in the order asked for."""
        if isinstance(index, Tensor):
            index = index.to(next(iter(self.clamped.values())).values.device)

        def taken(tensor: Tensor) -> Tensor:
            return tensor[index] if isinstance(index, slice) else tensor.index_select(0, index)

        return {
            n: Clamped(taken(v), None if k is None else taken(k))
            for n, (v, k) in self.clamped.items()
        }

    def some(self, index: Int64[Tensor, " rows"] | slice) -> TrainingRows:
        """Return a data set of some of the rows."""
        taken = self.batch(index)
        return TrainingRows(len(next(iter(taken.values())).values), taken)

    def means(self) -> dict[str, Float[Tensor, "*statistics"]]:
        """Return the mean statistics of every observed layer over what is known of it."""
        result = {}
        for name, (values, known) in self.clamped.items():
            if known is None:
                result[name] = values.mean(0)
                continue
            here = elementwise(known, values).to(values.dtype)
            result[name] = (values * here).sum(0) / here.sum(0).clamp_min(1.0)
        return result

    def lengths(self) -> dict[str, Float[Tensor, " documents"]]:
        """Return the sums of the last axis of every observed layer, increasing: words of documents.

        They mean something for word counts only.
        """
        result = {}
        for name, (values, known) in self.clamped.items():
            if values.ndim == 2 and (known is None or known.ndim == 1):
                sums = values.sum(-1)
                result[name] = (sums if known is None else sums[known]).sort().values
        return result

    def fingerprint(self) -> dict[str, int]:
        """Return a checksum of each layer, which tells whether training goes on with these rows."""
        checksums: dict[str, int] = {"rows": self.count}
        for name, (values, known) in sorted(self.clamped.items()):
            total = zlib.crc32(values.detach().cpu().contiguous().numpy().data.cast("B"))
            if known is not None:
                total = zlib.crc32(known.cpu().contiguous().numpy().data.cast("B"), total)
            checksums[name] = total
        return checksums


def elementwise(known: Bool[Tensor, "..."], values: Tensor) -> Bool[Tensor, "..."]:
    """Return which units are known with an axis for each of the statistics, of length one."""
    return known.reshape(*known.shape, *(1,) * (values.ndim - known.ndim))


def moments(clamped: Clamped) -> tuple[Tensor, Tensor, Tensor]:
    """Return how many values of each real unit are known (one at least), mean and mean square.

    They are ``(*shape)``, in double precision.
    """
    values = clamped.values.double()
    here = torch.ones_like(values) if clamped.known is None else clamped.known.double()
    count = here.sum(0).clamp_min(1.0)
    return count, (values * here).sum(0) / count, (values.square() * here).sum(0) / count


def document_lengths(graph: FactorGraph, lengths: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the mean of the :meth:`TrainingRows.lengths` of each layer of word counts."""
    return {
        name: float(words.double().mean())
        for name, words in lengths.items()
        if graph.variables[name].family == "replicated_softmax" and len(words)
    }


def check_same_layers(rows: Mapping[str, Clamped], others: Mapping[str, Clamped]) -> None:
    """Check that validation rows observe no layer that training rows do not."""
    for name in others:
        if name not in rows:
            raise LearningError(
                f"the validation rows observe '{name}', which the training rows do not"
                f"{suggestion(name, rows)}"
            )
