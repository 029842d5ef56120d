"""A Bayesian network of what pictures look like and the words that go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Float32, Float64, Int64

from mmgraph.graph.errors import FormatError, LearningError, needs
from mmgraph.graph.factors.table import TableFactor
from mmgraph.graph.variable import Variable
from mmgraph.inference.query import query
from mmgraph.learning.structure.learn_structure import learn_structure
from mmgraph.networks.bayesian_network import BayesianNetwork
from mmgraph.predictors.stored.parts import Parts
from mmgraph.predictors.stored.tempered import graph_parts, restored_graph_of
from mmgraph.retrieval.spaces.canonical import CanonicalSpace, FittedCanonicalSpace
from mmgraph.retrieval.spaces.space import (
    FittedSpace,
    Pairs,
    Pictures,
    Places,
    Space,
    has_terms,
    places_of,
)

Presence = Bool[np.ndarray, "rows tags"]
Memberships = Float64[np.ndarray, "rows clusters"]
CLUSTER = "cluster"
_ROWS_PER_CLUSTER = 5


@dataclass(frozen=True)
class TagNetworkSpace(Space):
    """Tags (frequent terms) as nodes of a Bayesian network below the cluster of a picture.

    Clusters are those of k-means in the space of canonical correlations, and a picture belongs to
    each with some probability. Every tag depends on the cluster, and on one other tag at most: that
    of the tree that :func:`mmgraph.learn_structure` finds (Friedman, Geiger and Goldszmidt 1997,
    "Bayesian network classifiers", section 4, where a class stands for the cluster). The place of
    a picture are logarithms of what each tag is more probable given the picture than for all, that
    of a text are its weights of tags: their product is the gain in log-probability of its words.
    Terms should be words: give the retriever ``text="words"``.

    Attributes
    ----------
    clusters : int
        How many there are at most; at least five pictures each.
    least_texts, most_tags : int
        The terms that so many texts hold, and the most frequent of those, are tags.
    sharpness : float
        The log-probability of a cluster falls by this for a squared distance that is the mean one
        of pictures from the nearest centre.
    prior : float
        How many pictures of a cluster the tags' probabilities for all count for.
    """

    name: ClassVar[str] = "network"
    clusters: int = 400
    least_texts: int = 3
    most_tags: int = 1000
    sharpness: float = 5.0
    prior: float = 1.0

    def fit(self, pairs: Pairs) -> FittedTagNetworkSpace:
        """As :meth:`Space.fit`."""
        with needs("retrieval", "scikit-learn", "clusters of pictures"):
            from sklearn.cluster import KMeans
        canonical = CanonicalSpace().fit(pairs)
        rows = canonical.pictures(pairs.pictures)
        distinct = len(np.unique(rows, axis=0))
        count = max(1, min(self.clusters, len(rows) // _ROWS_PER_CLUSTER, distinct))
        clustering = KMeans(count, n_init=1, random_state=pairs.seed).fit(rows)
        centres = clustering.cluster_centers_.astype(np.float32)
        steepness = self.sharpness * len(rows) / max(float(clustering.inertia_), 1e-9)
        memberships = _memberships(rows, centres, steepness)
        cluster = Variable(CLUSTER, count)
        factors = [TableFactor([cluster], memberships.mean(0), child=cluster)]
        variables, columns = [cluster], []
        for language, block in enumerate(pairs.texts):
            known = np.flatnonzero(has_terms(block))
            kept = self._tags(block[known])
            columns += [(language, column) for column in kept]
            present = block[known][:, kept].toarray() > 0
            tags = [Variable(f"{language}.{column}", 2) for column in kept]
            factors += self._tables(cluster, tags, present, memberships[known])
            variables += tags
        if not columns:
            raise LearningError(
                f"no term stands in {self.least_texts} texts ('least_texts'), and not in all: "
                "there are no tags"
            )
        network = BayesianNetwork(variables, factors)
        return FittedTagNetworkSpace(canonical, centres, steepness, network, np.array(columns))

    def _tags(self, texts: sp.csr_array) -> Int64[np.ndarray, " tags"]:
        """The columns of the most frequent terms, in order."""
        counts = np.bincount(texts.indices, minlength=texts.shape[1])
        often = np.flatnonzero((counts >= self.least_texts) & (counts < texts.shape[0]))
        return np.sort(often[np.argsort(-counts[often], kind="stable")[: self.most_tags]])

    def _tables(
        self,
        cluster: Variable,
        tags: Sequence[Variable],
        present: Presence,
        memberships: Memberships,
    ) -> list[TableFactor]:
        """The distribution of each tag given the cluster and the tag that it is linked to."""
        parents = _links(tags, present)
        above = present[:, parents] & (parents >= 0)
        # The pictures that are expected in each cluster, with the parent and without.
        parent_size, parent_count = memberships.T @ above, memberships.T @ (present & above)
        size = memberships.sum(0)[:, None] - parent_size
        count = memberships.T @ present - parent_count
        chances = [
            self._chances(count, size, present, ~above),
            self._chances(parent_count, parent_size, present, above),
        ]
        tables = []
        for place, tag in enumerate(tags):
            of_tag = np.stack([one[:, place] for one in chances])
            table = np.stack([1 - of_tag, of_tag], axis=-1)  # states of parent, cluster and tag
            if parents[place] < 0:
                tables.append(TableFactor([cluster, tag], table[0], child=tag))
            else:
                tables.append(TableFactor([tags[parents[place]], cluster, tag], table, child=tag))
        return tables

    def _chances(
        self, count: np.ndarray, size: np.ndarray, present: Presence, case: Presence
    ) -> Float64[np.ndarray, "clusters tags"]:
        """The chance of each tag in each cluster, drawn to that in all pictures of a case."""
        base = ((present & case).sum(0) + present.mean(0)) / (case.sum(0) + 1)
        chances: np.ndarray = (count.clip(0) + self.prior * base) / (size.clip(0) + self.prior)
        return chances


@dataclass(frozen=True, eq=False)
class FittedTagNetworkSpace(FittedSpace):
    """Clusters of pictures, and the network of the tags below.

    Attributes
    ----------
    canonical : FittedCanonicalSpace
        Where clusters are found.
    centres : ndarray of float32, shape (clusters, canonical width)
    steepness : float
        What the log-probability of a cluster falls by for a squared distance of one.
    network : BayesianNetwork
        Of the variable ``cluster`` and the tags, whose names are a language's number and a column.
    columns : ndarray of int64, shape (tags, 2)
        The language, and the column there, of each tag.
    """

    name: ClassVar[str] = TagNetworkSpace.name
    canonical: FittedCanonicalSpace
    centres: Float32[np.ndarray, "clusters canonical"]
    steepness: float
    network: BayesianNetwork
    columns: Int64[np.ndarray, "tags 2"]

    @property
    def width(self) -> int:
        """As :attr:`FittedSpace.width`."""
        return len(self.columns)

    @property
    def tags(self) -> list[str]:
        """The names of the tags' variables."""
        return [name for name in self.network.variables if name != CLUSTER]

    @cached_property
    def chances(self) -> Float64[np.ndarray, "clusters tags"]:
        """The probability of each tag in each cluster, by exact inference."""
        return self._marginals({CLUSTER: np.arange(len(self.centres))})

    @cached_property
    def overall(self) -> Float64[np.ndarray, " tags"]:
        """The probability of each tag where nothing is known."""
        return self._marginals({})[0]

    def _marginals(self, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
        found = query(self.network, evidence, self.tags)
        return torch.stack([found.marginal(tag)[:, 1] for tag in self.tags], 1).numpy()

    def memberships(self, features: Pictures) -> Memberships:
        """Return the probability of each cluster given each picture."""
        return _memberships(self.canonical.pictures(features), self.centres, self.steepness)

    def pictures(self, features: Pictures) -> Places:
        """As :meth:`FittedSpace.pictures`."""
        return places_of(np.log(self.memberships(features) @ self.chances / self.overall))

    def texts(self, features: Sequence[sp.csr_array]) -> Places:
        """As :meth:`FittedSpace.texts`."""
        return places_of(self.tag_weights(features).toarray())

    def tag_weights(self, features: Sequence[sp.csr_array]) -> sp.csr_array:
        """Return the weights of the tags in texts, ``(rows, tags)``."""
        starts = np.cumsum([0, *(block.shape[1] for block in features)])
        return sp.hstack(features, format="csr")[:, starts[self.columns[:, 0]] + self.columns[:, 1]]

    def parts(self) -> Parts:
        """As :meth:`FittedSpace.parts`."""
        parts = Parts({"steepness": self.steepness})
        parts.put("canonical", self.canonical.parts())
        parts.put("network", graph_parts(self.network))
        parts.add("centres", self.centres)
        parts.add("columns", self.columns)
        return parts

    @classmethod
    def restored(cls, parts: Parts) -> Self:
        """As :meth:`FittedSpace.restored`."""
        canonical = FittedCanonicalSpace.restored(parts.part("canonical"))
        network = restored_graph_of(parts.part("network"), BayesianNetwork)
        centres = parts.take("centres", None, canonical.width, dtype=torch.float32)
        columns = parts.take("columns", None, 2, dtype=torch.int64)
        names = [f"{language}.{column}" for language, column in columns]
        sizes = {variable.name: variable.cardinality for variable in network.variables.values()}
        widths = [len(text_map.mean) for text_map in canonical.text_maps]
        terms = {
            f"{number}.{place}" for number, width in enumerate(widths) for place in range(width)
        }
        if list(sizes.items()) != [(CLUSTER, len(centres)), *((name, 2) for name in names)] or (
            not terms.issuperset(names)
        ):
            raise FormatError(f"{parts.where}: the network is not one of these clusters and tags")
        return cls(canonical, centres, parts.setting("steepness"), network, columns)


def _memberships(
    places: Places, centres: Float32[np.ndarray, "clusters canonical"], steepness: float
) -> Memberships:
    """The probability of each cluster: normal densities about their centres, all alike."""
    products = places.astype(np.float64) @ centres.T
    log = steepness * (2 * products - (centres.astype(np.float64) ** 2).sum(1))
    shares: Memberships = np.exp(log - log.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def _links(tags: Sequence[Variable], present: Presence) -> Int64[np.ndarray, " tags"]:
    """The tag that each depends on beside the cluster, in a forest of all; -1 without one."""
    parents = np.full(len(tags), -1)
    if len(tags) > 1:
        table = {tag.name: column.astype(int) for tag, column in zip(tags, present.T, strict=True)}
        places = {name: place for place, name in enumerate(table)}
        for cause, effect in learn_structure(table, method="climb", max_parents=1).edges:
            parents[places[effect]] = places[cause]
    return parents
