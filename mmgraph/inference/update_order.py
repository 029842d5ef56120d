"""The order in which colours are updated, where few sweeps are made and the order tells."""

from __future__ import annotations

from collections.abc import Container, Sequence

from mmgraph.inference.colouring import Masks


def observed_last(colours: Sequence[Masks], observed: Container[str]) -> list[Masks]:
    """Return the colours so that the one with most of the observed variables comes last.

    What hears the observed variables is then updated before what hears them at second hand. The
    answer of a few sweeps of mean field does not depend, then, on where those layers started: on
    whether a variable is observed in all rows, or in some.

    Parameters
    ----------
    colours : sequence of masks
        See :func:`mmgraph.inference.colouring.colour_masks`; they keep their cyclic order.
    observed : container of str
    """
    if not colours:
        return []
    seen = [sum(name in observed for name in colour) for colour in colours]
    last = seen.index(max(seen))
    return [*colours[last + 1 :], *colours[: last + 1]]
