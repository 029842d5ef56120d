"""Exact samples of hidden paths: filtering forwards, sampling backwards.

Fruehwirth-Schnatter (1994), "Data augmentation and dynamic linear models", section 3; of discrete
states, Chib (1996), "Calculating posterior distributions and modal estimates in Markov mixture
models".
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64, Int64

from mmgraph.graph.errors import EvidenceError
from mmgraph.inference.exact.chain.factorial_chain import FactorialChain
from mmgraph.inference.exact.chain.factorial_kernels import draw_paths
from mmgraph.inference.exact.chain.forward_backward import drawn_in_log_domain


def sample_paths(
    chain: FactorialChain,
    log_densities: Float64[np.ndarray, "steps joint"],
    samples: int,
    generator: torch.Generator | None = None,
) -> Int64[np.ndarray, "samples steps"]:
    """Draw independent paths of joint states from their exact distribution given a sequence.

    Of several chains, ``np.unravel_index(paths, chain.sizes)`` gives the path of each.

    Parameters
    ----------
    log_densities : array of shape (steps, joint states)
        Of the sequence's rows given each state.
    samples : int
        The number of paths.
    generator : torch.Generator, optional
        On the CPU; the same seed gives the same paths.

    Raises
    ------
    EvidenceError
        If fewer than one path is asked for.
    ZeroProbabilityError
        If the sequence is impossible.
    """
    if samples < 1:
        raise EvidenceError(f"samples is {samples}, and at least 1 path can be drawn")
    filtered, _ = chain.filtered(log_densities)
    shape = (samples, len(filtered))
    if chain.is_raised(filtered, log_densities):
        seed = int(torch.randint(2**62, (1,), generator=generator).item())
        logs, transition = chain.log_filtered(log_densities), chain.log_transition()
        return drawn_in_log_domain(logs, transition, samples, np.random.default_rng(seed))
    uniforms = torch.rand(shape, generator=generator, dtype=torch.float64).numpy()
    paths = np.empty(shape, np.int64)
    draw_paths(filtered, chain.tables, chain.group_sizes, uniforms, paths)
    return paths
