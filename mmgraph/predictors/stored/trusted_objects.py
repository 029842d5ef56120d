"""Objects of scikit-learn as bytes, by skops: types that are trusted, and no pickle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mmgraph.graph.errors import FormatError, needs

TRUSTED = (
    "mmgraph.predictors.leaves.pairwise_coupling.PairwiseCoupling",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What is trusted beside the types of scikit-learn, numpy and scipy that skops trusts by itself:
parts of estimators that are written in Python, and trees. Those skops leaves out because nobody
checks where their nodes point; here that is checked.
"""


def packed(objects: Mapping[str, Any], what: str) -> bytes:
    """Return objects as the bytes of a skops file.

    Parameters
    ----------
    objects : mapping of str to object
    what : str
        What they belong to, for the message.

    Raises
    ------
    FormatError
        If one of them is, or holds, what is not trusted; with its type.
    MissingExtraError
        If skops is not installed.
    """
    with needs("data", "skops", "writing a classifier"):
        from skops import io as skops
    shown = ", ".join(repr(thing)[:60] for thing in objects.values())
    try:
        content = skops.dumps(dict(objects), compression=zipfile.ZIP_DEFLATED)
        foreign = set(skops.get_untrusted_types(data=content)) - set(TRUSTED)
    except Exception as error:  # whatever a class raises that nobody thought of writing
        raise FormatError(f"{what} cannot be written: {shown} ({error})") from error
    if foreign:
        types = ", ".join(sorted(foreign))
        raise FormatError(
            f"{what} cannot be written: {shown} holds what is not trusted to be read, {types}"
        )
    return content


def unpacked(content: bytes, file: str, size_limit: int) -> dict[str, Any]:
    """Return the objects of :func:`packed`.

    Parameters
    ----------
    content : bytes
    file : str
        Where it comes from, for messages.
    size_limit : int
        The bytes that it may hold after unpacking.

    Raises
    ------
    FormatError
        If it is damaged, or holds a type that is not trusted (which one), or a tree whose nodes
        point outside it.
    MissingExtraError
        If skops is not installed.
    """
    with needs("data", "skops", f"reading {file}"):
        from skops import io as skops
        from skops.io.exceptions import UntrustedTypesFoundException
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > size_limit:
            raise FormatError(f"{file} unpacks to more than the limit of {size_limit:,} bytes")
        objects = skops.loads(content, trusted=list(TRUSTED))
        if not isinstance(objects, dict):
            raise FormatError(f"{file}: expected objects by name, found {type(objects).__name__}")
        _check_trees(objects, file)
    except FormatError:
        raise
    except UntrustedTypesFoundException as error:
        reason = str(error).splitlines()[0]
        raise FormatError(f"{file} holds types that are not trusted ({reason})") from None
    except Exception as error:  # skops raises what the parts of a damaged file happen to raise
        raise FormatError(f"{file}: expected objects as skops writes them ({error})") from error
    return objects


def _check_trees(objects: object, file: str) -> None:
    """Refuse trees whose nodes point outside them, or at features that no row has.

    scikit-learn follows the indices of nodes without looking; an ensemble hands rows to its trees
    as they are.
    """
    from sklearn.ensemble._forest import BaseForest
    from sklearn.ensemble._gb import BaseGradientBoosting
    from sklearn.tree import BaseDecisionTree

    for thing in _held(objects):
        if isinstance(thing, BaseDecisionTree) and hasattr(thing, "tree_"):
            if not _is_sound(thing):
                raise FormatError(f"{file}: a tree's nodes point outside it")
        elif isinstance(thing, BaseForest | BaseGradientBoosting):
            features = getattr(thing, "n_features_in_", None)
            trees = np.asarray(getattr(thing, "estimators_", []), object)
            if isinstance(thing, BaseGradientBoosting) and trees.size:
                classes = len(getattr(thing, "classes_", ()))
                if trees.ndim != 2 or trees.shape[1] != (classes if classes > 2 else 1):
                    raise FormatError(f"{file}: the trees of a round are not one a class")
            for tree in np.ravel(trees):
                if getattr(tree, "n_features_in_", None) != features:
                    raise FormatError(f"{file}: a tree is not of its forest's {features} features")


def _is_sound(estimator: Any) -> bool:
    """Whether each node of a tree leads to later nodes, or none, by features that rows have."""
    tree = estimator.tree_
    left, right, feature = (
        np.asarray(getattr(tree, name), np.int64)
        for name in ("children_left", "children_right", "feature")
    )
    nodes, width = np.arange(len(left)), getattr(estimator, "n_features_in_", None)
    leaf = left == -1
    inner = (
        (nodes < left) & (left < len(nodes)) & (nodes < right) & (right < len(nodes))
        & (feature >= 0) & (feature < tree.n_features)
    )  # fmt: skip
    whole = len(nodes) == len(tree.__getstate__()["nodes"]) > 0
    return whole and tree.n_features == width and bool((leaf | inner).all())


def _held(thing: object) -> Iterator[object]:
    """Yield an object and all that it holds, each once."""
    waiting, passed = [thing], {id(thing): thing}
    while waiting:
        current = waiting.pop()
        yield current
        if isinstance(current, Mapping):
            parts = [*current.values()]
        elif isinstance(current, list | tuple | set):
            parts = [*current]
        elif isinstance(current, np.ndarray):
            parts = current.ravel().tolist() if current.dtype == object else []
        else:
            parts = [*getattr(current, "__dict__", {}).values()]
        for part in parts:
            if id(part) not in passed:
                passed[id(part)] = part
                waiting.append(part)
