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
    """The rows that a Boltzmann machine learns from.

    Attributes
    ----------
    count : int
        The number of rows.
    clamped : dict of str to Clamped
        The units that are known of each observed layer.
    """

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

        Parameters
        ----------
        may_be_constant : bool
            Whether Gaussian units need not vary: of rows that are one batch of many, whose
            precision others have taught.
        wide : bool
            Whether real values stay in double precision, as long as they are not standardised:
            what differs in the eighth digit is the same number in single precision.

        Raises
        ------
        LearningError
            If nothing is observed, in all rows or in one; if evidence is soft, or speaks of what
            is no layer of units; or if a Gaussian unit always has the same value, so that its
            precision would grow without bound.
        """
        if evidence.soft:
            name = next(iter(evidence.soft))
            raise LearningError(f"soft evidence for '{name}': training needs values")
        known: dict[str, Clamped] = {}
        for name in evidence.observed():
            if not is_compact(graph, name):
                raise LearningError(f"'{name}' is no layer of units, and cannot be trained on")
            variable = graph.variable(name)
            kept = torch.float64 if wide and variable.is_real else dtype
            found = clamped(evidence, variable, torch.device(device), kept)
            if found is not None:
                known[name] = Clamped(found.values.contiguous(), found.known)
        if not known:
            raise LearningError("nothing is observed: there is nothing to learn from")
        rows = cls(evidence.batch, known)
        rows._check(graph, may_be_constant)
        return rows

    def _check(self, graph: FactorGraph, may_be_constant: bool) -> None:
        seen = torch.zeros(self.count, dtype=torch.bool)
        for name, (_, known) in self.clamped.items():
            variable = graph.variables[name]
            here = torch.ones(self.count, dtype=torch.bool) if known is None else known.cpu()
            seen |= here.reshape(self.count, -1).any(1)
            if variable.family == "gaussian" and self.count > 1 and not may_be_constant:
                self._check_variation(name)
        if not bool(seen.all()):
            row = int((~seen).nonzero()[0, 0])
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
            place = index.to(next(iter(self.clamped.values())).values.device)
            return {
                n: Clamped(
                    v.index_select(0, place), None if k is None else k.index_select(0, place)
                )
                for n, (v, k) in self.clamped.items()
            }
        return {
            n: Clamped(v[index], None if k is None else k[index])
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
        """Return a checksum of each layer: what tells whether training goes on with the same rows.

        Raises nothing; equal data have equal checksums.
        """
        found: dict[str, int] = {"rows": self.count}
        for name, (values, known) in sorted(self.clamped.items()):
            total = zlib.crc32(values.detach().cpu().contiguous().numpy().data.cast("B"))
            if known is not None:
                total = zlib.crc32(known.cpu().contiguous().numpy().data.cast("B"), total)
            found[name] = total
        return found


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
    """Check that validation rows observe no layer that training rows do not.

    Raises
    ------
    LearningError
        With the nearest layer that is known.
    """
    for name in others:
        if name not in rows:
            raise LearningError(
                f"the validation rows observe '{name}', which the training rows do not"
                f"{suggestion(name, rows)}"
            )
