"""Mean field of few sweeps: where it starts and in which order it goes, which then tells."""

from __future__ import annotations

from collections.abc import Container, Sequence

import torch
from torch import Tensor

from mmgraph.graph.exponential_family import statistics_shape
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import Masks


def observed_last(colours: Sequence[Masks], observed: Container[str]) -> list[Masks]:
    """Return the colours so that the one with most of the observed variables comes last.

    What hears the observed variables is then updated before what hears them at second hand. The
    answer of a few sweeps of mean field does not depend, then, on where those layers started: on
    whether a variable is observed in all rows, or in some.

    Parameters
    ----------
    colours : sequence of masks
        See :func:`mmgraph.inference.pairwise.colouring.colour_masks`; they keep their cyclic order.
    observed : container of str
    """
    if not colours:
        return []
    seen = [sum(name in observed for name in colour) for colour in colours]
    last = seen.index(max(seen))
    return [*colours[last + 1 :], *colours[: last + 1]]


def even_start(view: FieldView) -> dict[str, Tensor]:
    """Return the mean of each variable given others that lean to no value; known units have theirs.

    The biases of a machine alone say little: they count with what layers say that are never at
    zero. Units with states and words lean to none of them; real ones have the means that those
    give them, so that nothing depends on the units that they are measured in. Where each row has
    the same means, there is one row of them.

    Parameters
    ----------
    view : FieldView
        Of layers of units.
    """
    even = {}
    for name, variable in view.variables.items():
        shape = statistics_shape(variable) if name in view.compact else view.unary[name].shape[1:]
        nothing = torch.zeros(1, *shape, device=view.device, dtype=view.dtype)
        even[name] = view.families[name].mean(nothing)
    leaning = dict(even)
    for name, variable in view.variables.items():
        if variable.is_real and not view.is_whole(name):
            even[name] = view.families[name].mean(view.field(name, leaning))
    for name in view.clamped:  # known in every row or in some: it makes no difference
        even[name] = view.kept(name, even[name])
    means = {}
    for name in view.variables:
        if view.is_whole(name):
            means[name] = view.clamped[name].values
            continue
        found = view.mean(name, even)
        neighbours = {v.name for f in view.couplings[name] for v in f.scope}
        rows = max(len(view.unary[name]), *(len(even[n]) for n in (name, *neighbours)))
        means[name] = found[:1] if rows == 1 and name not in view.clamped else found
    return means
