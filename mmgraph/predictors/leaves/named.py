"""The kinds of leaves by name, and those that ``auto`` stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmgraph.graph.errors import LearningError, needs, suggestion
from mmgraph.predictors.leaves.encoder import EncoderLeaf
from mmgraph.predictors.leaves.leaf import Leaf
from mmgraph.predictors.leaves.mixture import MixtureLeaf
from mmgraph.predictors.leaves.pairwise_coupling import PairwiseCoupling
from mmgraph.predictors.leaves.perceptrons import PerceptronsLeaf
from mmgraph.predictors.leaves.tables import TablesLeaf
from mmgraph.predictors.leaves.words import WordsLeaf

with needs("data", "scikit-learn", "predictors"):
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC


def _kernel(cost: float, quantiles: bool) -> EncoderLeaf:
    """A support vector machine for each pair of states, calibrated on held-out rows."""
    pairs = PairwiseCoupling(CalibratedClassifierCV(SVC(C=cost), ensemble=False))
    return EncoderLeaf(pairs, quantiles, least=1e-6)


LEAVES: Mapping[str, Leaf] = {
    "logistic": EncoderLeaf(LogisticRegression(C=0.01, max_iter=1000), least=1e-6),
    "mixture": MixtureLeaf(),
    "trees": EncoderLeaf(ExtraTreesClassifier(200, min_samples_leaf=3)),
    "greedy_trees": EncoderLeaf(ExtraTreesClassifier(200, max_features=0.5)),
    "kernel": _kernel(10.0, quantiles=False),
    "quantile_kernel": _kernel(3.0, quantiles=True),
    "perceptrons": PerceptronsLeaf(),
    "tables": TablesLeaf(),
    "words": WordsLeaf(),
}
"""The kinds of leaves by name."""

AUTO = (
    "logistic", "tables", "mixture", "trees", "greedy_trees", "kernel", "quantile_kernel",
    "perceptrons",
)  # fmt: skip
"""What ``auto`` stands for, from the quickest to the slowest."""

PLAIN = ("logistic", "words")
"""What answers by itself under ``auto`` where other leaves do not clearly help."""

LeafNames = str | Leaf | Sequence[str | Leaf]


def named_leaves(kinds: LeafNames) -> list[tuple[str, Leaf]]:
    """Return leaves by name; those that are given outright are called by their kind and place.

    Raises
    ------
    LearningError
        If no leaf is called so.
    """
    named = []
    if isinstance(kinds, str) and kinds == "auto":
        kinds = AUTO
    for place, kind in enumerate([kinds] if isinstance(kinds, str | Leaf) else kinds):
        if isinstance(kind, Leaf):
            named.append((f"{kind.kind}_{place}", kind))
        elif kind in LEAVES:
            named.append((kind, LEAVES[kind]))
        else:
            hint = suggestion(kind, LEAVES)
            names = ", ".join(["auto", *LEAVES])
            raise LearningError(f"no leaf is called {kind!r}{hint} (one of {names})")
    return named
