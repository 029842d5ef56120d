"""Sets of variables whose adjustment gives a causal effect: one, all, all minimal ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from mmgraph.causal.adjustment.back_door import Effect
from mmgraph.causal.graph.causal_graph import CausalGraph, Names, as_names
from mmgraph.graph.errors import CausalError


def adjustment_sets(
    graph: CausalGraph,
    treatments: Names,
    outcomes: Names,
    minimal: bool = True,
    latent: Names = (),
    required: Names = (),
    limit: int = 100_000,
) -> list[frozenset[str]]:
    """Return the valid adjustment sets for the total effect of treatments on outcomes.

    A set Z is valid if in every model of the graph P(y | do(x)) is the mean over Z of P(y | x, z).
    The criterion is complete: no other set is (Shpitser, VanderWeele and Robins 2010; Perković,
    Textor, Kalisch and Maathuis 2018).

    Parameters
    ----------
    graph : CausalGraph
    treatments, outcomes : str or collection of str
    minimal : bool, optional
        Only sets of which no proper subset (with the ``required``) is valid.
    latent : str or collection of str, optional
        Nodes that are not measured: they are in no set.
    required : str or collection of str, optional
        Nodes that are in every set.
    limit : int, optional
        With more sets than these, the question is refused: :func:`iterate_adjustment_sets` yields
        any number, one after the other.

    Returns
    -------
    list of frozenset of str
        Small sets first, then in the order of the nodes; empty if no set is valid.

    Raises
    ------
    UnknownVariableError
        If a name is no node.
    CausalError
        If a treatment is an outcome or latent, none is named, or there are more than ``limit``.
    """
    sets = iterate_adjustment_sets(graph, treatments, outcomes, minimal, latent, required)
    listed = list(islice(sets, limit + 1))
    if len(listed) > limit:
        advice = "" if minimal else "ask for minimal=True, or "
        raise CausalError(
            f"there are more than {limit} adjustment sets; {advice}take them one after the other "
            "from iterate_adjustment_sets"
        )
    place = {n: i for i, n in enumerate(graph.nodes)}
    return sorted(listed, key=lambda s: (len(s), sorted(map(place.__getitem__, s))))


def iterate_adjustment_sets(
    graph: CausalGraph,
    treatments: Names,
    outcomes: Names,
    minimal: bool = True,
    latent: Names = (),
    required: Names = (),
) -> Iterator[frozenset[str]]:
    """Return an iterator over the valid adjustment sets, as :func:`adjustment_sets`.

    Between two sets it takes time polynomial in the number of nodes (van der Zander, Liśkiewicz
    and Textor 2019).
    """
    task = Effect.of(graph, treatments, outcomes, latent).separation(
        graph.mask(as_names(required), "required")
    )
    return map(graph.named, task.all_minimal() if minimal else task.all())


def minimal_adjustment_set(
    graph: CausalGraph, treatments: Names, outcomes: Names, latent: Names = (), required: Names = ()
) -> frozenset[str] | None:
    """Return the optimal minimal adjustment set, in linear time; None if none is valid.

    Of all minimal sets it is the one nearest to the outcomes. For one treatment and one outcome it
    gives the estimate of least variance among minimal sets, with hidden common causes, too
    (Smucler, Sapienza and Rotnitzky 2022).

    Parameters
    ----------
    graph, treatments, outcomes, latent, required
        As :func:`adjustment_sets`, and so what is raised.
    """
    effect = Effect.of(graph, treatments, outcomes, latent)
    nearest = effect.separation(graph.mask(as_names(required), "required")).minimal()
    return None if nearest is None else graph.named(nearest)


def is_adjustment_set(
    graph: CausalGraph, treatments: Names, outcomes: Names, adjusted: Collection[str]
) -> bool:
    """Return whether a set is valid for adjustment; what is raised: as :func:`adjustment_sets`."""
    effect = Effect.of(graph, treatments, outcomes)
    separator = graph.mask(as_names(adjusted), "the adjustment set")
    return not separator & ~effect.allowed and effect.separation().holds(separator)
