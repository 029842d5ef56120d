"""By how much a method missed its tolerance, in words; one form for all methods."""

from __future__ import annotations

from typing import Any

from mmgraph.graph.errors import ConvergenceWarning, warn_caller

PRACTICAL_GAP = 1e-4
"""The gap, relative to the energy, up to which a search that was cut off has not failed."""


def shortfall(
    method: str, measure: str, reached: float, wanted: float, iterations: int, unit: str = ""
) -> str:
    """Return what a method reached and what it should have, or nothing if it reached that."""
    if reached <= wanted:
        return ""
    return (
        f"{method}: {measure} {reached:.3g} after {iterations} {unit or 'iterations'}, "
        f"not {wanted:.3g}"
    )


def warn_unless_converged(answer: Any) -> None:
    """Warn of a posterior or an assignment that has not converged: the method, and by how much.

    Of weights that have collapsed, annealing itself has warned.
    """
    errors = getattr(answer, "diagnostics", {}).get("standard_error", {})
    collapsed = any(bool(error.isinf().any()) for error in errors.values())
    if not answer.converged and not collapsed:
        warn_caller(f"not converged: {answer.shortfall}", ConvergenceWarning)
