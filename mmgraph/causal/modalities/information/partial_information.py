"""What two sources tell of a target: redundant, unique, and only together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float64
from scipy.special import xlogy

from mmgraph.causal.modalities.information.broja import least_information
from mmgraph.causal.modalities.information.tables import joint_table, mutual_information
from mmgraph.graph.errors import MmgraphError, suggestion

Measure = Literal["broja", "imin", "immi", "isx"]
Table = Float64[np.ndarray, "first second target"]


@dataclass(frozen=True)
class PartialInformation:
    """The partial information decomposition of what two sources tell of a target, in bits.

    Attributes
    ----------
    redundant : float
        What either tells.
    unique : pair of float
        What the first alone tells, and the second.
    synergy : float
        What only both together tell.
    measure : str
        By which redundancy is defined.
    gap : float
        By how much, at most, the atoms may be off because the optimum is numerical: a certified
        bound. Zero of measures in closed form.
    """

    redundant: float
    unique: tuple[float, float]
    synergy: float
    measure: Measure
    gap: float = 0.0

    @property
    def total(self) -> float:
        """What both sources tell, which is the sum of the atoms."""
        return self.redundant + sum(self.unique) + self.synergy


def partial_information(table: object, measure: Measure = "broja") -> PartialInformation:
    """Return the partial information decomposition of two sources and a target, in bits.

    Parameters
    ----------
    table : array (first source, second source, target)
        Their joint distribution.
    measure : {"broja", "imin", "immi", "isx"}
        ``broja``: unique information is the least that any joint distribution with the same pairs
        (source, target) allows (Bertschinger et al. 2014); its atoms are never negative. ``imin``:
        redundancy is the expected least specific information (Williams and Beer 2010). ``immi``: it
        is the lesser mutual information (Barrett 2015). ``isx``: it is what the event that one
        source *or* the other has its value tells (Makkeh, Gutknecht and Wibral 2021); by its
        definition atoms, redundancy among them, may be negative: they misinform.

    Raises
    ------
    MmgraphError
        If there is no such measure, or the table has not three axes or is no distribution.
    MemoryBudgetError
        If the equations of ``broja`` would take more than half of the machine's memory.

    Notes
    -----
    With ``n = (first + second) * target`` a step of ``broja`` solves ``n`` equations: time grows
    with ``n**3`` and memory with ``n**2``. 30 x 30 x 15 takes about a second, 60 x 60 x 30 a minute
    or two and 630 MB.

    Examples
    --------
    >>> table = np.zeros((2, 2, 2))
    >>> for i, j in np.ndindex(2, 2):
    ...     table[i, j, i & j] = 1 / 4
    >>> mm.partial_information(table).synergy  # doctest: +SKIP
    0.5
    """
    if measure not in get_args(Measure):
        hint = suggestion(measure, get_args(Measure))
        raise MmgraphError(f"there is no measure of redundancy {measure!r}{hint}")
    table = joint_table(table, "the table of two sources and a target", 3)
    table = table[table.any((1, 2))][:, table.any((0, 2))][:, :, table.any((0, 1))]
    first, second = (mutual_information(table.sum(axis)) for axis in (1, 0))
    both = max(mutual_information(table), first, second)
    if measure == "broja":
        least = least_information(table)
        union = mutual_information(least.table)
        # Rounding aside so it is: the given table and that of independent sources are candidates.
        union = float(np.clip(union, max(first, second), min(both, first + second)))
        redundant, gap = max(first + second - union, 0.0), least.gap / float(np.log(2))
        return PartialInformation(
            redundant, (union - second, union - first), both - union, measure, gap
        )
    redundant = _CLOSED_FORMS[measure](table)
    unique = first - redundant, second - redundant
    return PartialInformation(redundant, unique, both - first - unique[1], measure)


def _least_specific(table: Table) -> float:
    """The expectation over the target's states of the least that a source tells of that state."""
    target = table.sum((0, 1))
    specific = []
    for pair in (table.sum(1), table.sum(0)):
        independent = np.outer(pair.sum(1), target)
        specific.append(_log_ratios(pair, independent).sum(0))
    return float(np.minimum(*specific).sum())


def _lesser(table: Table) -> float:
    return min(mutual_information(table.sum(1)), mutual_information(table.sum(0)))


def _shared_exclusion(table: Table) -> float:
    """The expectation of log p(t | x1 or x2) / p(t)."""
    either = table.sum(1)[:, None, :] + table.sum(0)[None, :, :] - table
    independent = either.sum(2, keepdims=True) * table.sum((0, 1))
    ratio = np.divide(either, independent, out=np.ones_like(table), where=table > 0)
    return float(xlogy(table, ratio).sum() / np.log(2))


def _log_ratios(table: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The terms ``p log2 (p / q)``, zero where ``p`` is."""
    ratio = np.divide(table, other, out=np.ones_like(table), where=table > 0)
    return np.asarray(xlogy(table, ratio) / np.log(2))


_CLOSED_FORMS = cast(
    dict[str, Callable[[Table], float]],
    {"imin": _least_specific, "immi": _lesser, "isx": _shared_exclusion},
)
