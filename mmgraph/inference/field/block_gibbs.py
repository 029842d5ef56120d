"""Block Gibbs sampling through the field view: whole layers are drawn at once.

The one sweep that sampling, annealing, tempering and the negative phase of learning share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmgraph.inference.field.softened_view import SoftenedView
from mmgraph.inference.field.view import FieldView
from mmgraph.inference.pairwise.colouring import Masks

States = dict[str, Float[Tensor, "batch ..."]]
"""Statistics of values: 0 or 1, one-hot rows, real values, counts."""

Watch = Callable[[str, Tensor | None, Tensor], None]


def sweep(
    view: FieldView,
    colours: Sequence[Masks],
    states: States,
    generator: torch.Generator | None,
    inverse: float | Float[Tensor, " batch"] | None = None,
    watch: Watch | None = None,
) -> None:
    """Draw every free variable given the others, colour after colour, in place.

    ``inverse`` is the inverse temperature of what joins variables. ``watch`` is called with the
    name of each variable, its mask and the natural parameters that it is drawn from.
    """
    for name, mask in free_parts(view, colours):
        natural = view.field(name, states, inverse)
        if watch is not None:
            watch(name, mask, natural)
        each = natural.expand(view.batch, *natural.shape[1:])  # every row draws its own
        drawn = view.clamp(name, view.families[name].sample(each, generator))
        states[name] = merged(view, mask, drawn, states[name])


def free_parts(
    view: FieldView, colours: Iterable[Masks]
) -> Iterator[tuple[str, Bool[Tensor, "*shape"] | None]]:
    """Yield each variable that has free elements, and the mask of them, colour by colour."""
    for colour in colours:
        for name, mask in colour.items():
            if not view.is_whole(name):
                yield name, mask


def merged(
    view: FieldView, mask: Bool[Tensor, "*shape"] | None, new: Tensor, old: Tensor
) -> Tensor:
    """Return the new statistics of masked elements (by default all), the old ones of the others."""
    if mask is None:
        return new
    mask = mask.to(view.device)
    return torch.where(mask.reshape(*mask.shape, *(1,) * (new.ndim - 1 - mask.ndim)), new, old)


def swap_neighbours(
    view: FieldView,
    states: States,
    inverse: Float[Tensor, " levels"],
    parity: int,
    generator: torch.Generator | None,
    costs: Float[Tensor, " levels"] | None = None,
) -> tuple[Bool[Tensor, "pairs chains"], Int64[Tensor, " pairs"]]:
    """Offer swaps of states between every second pair of neighbouring temperatures, in place.

    Rows of the view are replicas: those of one temperature side by side, level after level. Pairs
    start at the first level or the second, by their parity. A softened view takes the ``costs`` of
    a hard zero at each level. Returned are the swaps that were accepted, and the lower level of
    each pair (Geyer 1991, "Markov chain Monte Carlo maximum likelihood"; Hukushima and Nemoto 1996,
    "Exchange Monte Carlo method and application to spin glass simulations", section 2).
    """
    levels = len(inverse)
    chains = view.batch // levels
    lower = torch.arange(parity, levels - 1, 2, device=view.device)
    weight = view.coupling_log_weight(states).reshape(levels, chains)
    gain = (inverse[lower] - inverse[lower + 1]).unsqueeze(1) * (weight[lower + 1] - weight[lower])
    if costs is not None and isinstance(view, SoftenedView):
        broken = view.violations(states).reshape(levels, chains)
        fewer = broken[lower] - broken[lower + 1]
        price = (costs[lower] - costs[lower + 1]).unsqueeze(1) * fewer
        gain = gain + price.masked_fill(fewer == 0, 0.0)  # infinitely much times nothing
    uniform = torch.rand(gain.shape, generator=generator, device=view.device, dtype=view.dtype)
    accepted = uniform.log() < gain
    place = torch.arange(view.batch, device=view.device).reshape(levels, chains)
    low, high = place[lower][accepted], place[lower + 1][accepted]
    order = place.reshape(-1).clone()
    order[low], order[high] = high, low
    for name in view.free:
        states[name] = states[name][order]
    return accepted, lower
