"""Compiled Viterbi search along one sparse left-to-right chain, a frame at a time.

States stay where they are or are entered along arcs. Tokens (Young, Russell and Thornton 1989,
"Token passing: a simple conceptual model for connected speech recognition systems") whose score
lies more than a beam below the best are dropped.
"""

import numba
import numpy as np

compiled = numba.njit(cache=True, nogil=True)


@compiled
def pass_tokens(scores, stay, first_arc, source, weight, emission, densities, beam, best, origin):
    """Move tokens by one frame: write the scores and from which state each token came.

    Arcs into state ``s`` are ``first_arc[s] … first_arc[s + 1] - 1``. Returns the best score.
    """
    threshold = scores.max() - beam
    top = -np.inf
    for state in range(len(scores)):
        value, chosen = scores[state] + stay[state], state
        for arc in range(first_arc[state], first_arc[state + 1]):
            if scores[source[arc]] < threshold:
                continue
            other = scores[source[arc]] + weight[arc]
            if other > value:
                value, chosen = other, source[arc]
        if scores[chosen] < threshold:
            value = -np.inf
        else:
            value += densities[emission[state]]
        best[state], origin[state] = value, chosen
        top = max(top, value)
    return top


@compiled
def search(start, stay, first_arc, source, weight, emission, densities, beam):
    """Return the scores after the last frame, and where each token of each frame came from."""
    frames, states = len(densities), len(start)
    origins = np.empty((frames, states), np.int32)
    scores, following = np.empty(states), np.empty(states)
    for state in range(states):
        scores[state] = start[state] + densities[0, emission[state]]
        origins[0, state] = state
    for frame in range(1, frames):
        pass_tokens(
            scores, stay, first_arc, source, weight, emission, densities[frame], beam,
            following, origins[frame],
        )  # fmt: skip
        scores, following = following, scores
    return scores, origins


@compiled
def trace(origins, last):
    """Return the states of the path that ends in a state."""
    path = np.empty(len(origins), np.int32)
    state = last
    for frame in range(len(origins) - 1, -1, -1):
        path[frame] = state
        state = origins[frame, state]
    return path
