"""Why a picture is found: what its network of tags says of each word of a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Float64

from mmgraph.graph.soft_evidence import soft
from mmgraph.graph.state_labels import MISSING, index
from mmgraph.inference.query import query
from mmgraph.retrieval.spaces.tag_network import CLUSTER, FittedTagNetworkSpace

_SHOWN_TERMS = 3


@dataclass(frozen=True)
class Reason:
    """What one word of a query adds to a picture's rank.

    Attributes
    ----------
    word : str
    probability, usual : float
        Of the word given the picture, and where nothing is known.
    nats : float
        How much the word, given those before it in the order of terms, adds to the logarithm of
        what the query is more probable given the picture than for all; they add up to that.
    cluster : int
        The cluster of pictures through which the word is most probable in the picture.
    looks_like : tuple of str
        The words that tell that cluster from others.
    """

    word: str
    probability: float
    usual: float
    nats: float
    cluster: int
    looks_like: tuple[str, ...]

    def __str__(self) -> str:
        """The reason in words."""
        likely = "likely" if self.probability >= self.usual else "unlikely"
        return (
            f"'{self.word}' is {likely} in this picture ({self.probability:.2g} against "
            f"{self.usual:.2g} of all): it looks like cluster {self.cluster} "
            f"({', '.join(self.looks_like)}); {self.nats:+.1f} nats"
        )


def reasons(
    space: FittedTagNetworkSpace,
    terms: Sequence[Sequence[str]],
    picture: Float32[np.ndarray, "1 features"],
    text: Sequence[sp.csr_array],
) -> list[Reason]:
    """Return what each word of a query says for a picture, those that say most first.

    Parameters
    ----------
    space : FittedTagNetworkSpace
    terms : sequence of sequence of str
        The terms of each language, column by column.
    picture : ndarray, shape (1, features)
    text : sequence of csr_array, shape (1, terms)
        The query in each language. Its terms that are no tags say nothing.
    """
    asked = np.sort(space.tag_weights(text).nonzero()[1])
    if not len(asked):
        return []
    names = [terms[language][column] for language, column in space.columns]
    memberships = space.memberships(picture)[0]
    probabilities = memberships @ space.chances
    gains = np.diff(log_gains(space, memberships, asked))
    distinctive = space.chances * np.log(space.chances / space.overall)
    made = []
    for tag, nats in zip(asked, gains, strict=True):
        cluster = int(np.argmax(memberships * space.chances[:, tag]))
        telling = np.argsort(-distinctive[cluster], kind="stable")[:_SHOWN_TERMS]
        made.append(
            Reason(
                names[tag],
                float(probabilities[tag]),
                float(space.overall[tag]),
                float(nats),
                cluster,
                tuple(names[place] for place in telling),
            )
        )
    return sorted(made, key=lambda reason: -reason.nats)


def log_gains(
    space: FittedTagNetworkSpace,
    memberships: Float64[np.ndarray, " clusters"],
    asked: Sequence[int] | np.ndarray,
) -> Float64[np.ndarray, " prefixes"]:
    """Return log P(tags | picture) / P(tags) of the first 0, 1, 2, … of some tags.

    It is exact, with links between tags.

    Parameters
    ----------
    space : FittedTagNetworkSpace
    memberships : ndarray, shape (clusters,)
        Of the picture.
    asked : sequence of int
        The places of the tags.
    """
    shares = query(space.network, None, CLUSTER).marginal(CLUSTER)[0].numpy()
    rows = len(asked) + 1
    evidence = {
        space.tags[tag]: index(np.where(np.arange(rows) > place, 1, MISSING))
        for place, tag in enumerate(asked)
    }
    # Once with the picture, whose likelihood is the posterior of clusters by their prior.
    likelihood = np.tile(memberships / shares, (rows, 1))
    with_picture = evidence | {CLUSTER: soft(probabilities=likelihood)}
    found = [
        query(space.network, given, CLUSTER).log_evidence.numpy()
        for given in (with_picture, evidence)
    ]
    return found[0] - found[1]
