"""Features of pictures that are made once, and stored in the cache of data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from mmgraph import datasets
from mmgraph.experiments.retrieval.search_data import pictures_digest
from mmgraph.learning.kept_steps import KeptSteps
from mmgraph.retrieval.images.named import image_features


def stored_features(
    pictures: Sequence[Any], name: str, progress: Callable[[int, str], None]
) -> Float32[np.ndarray, "pictures features"]:
    """Return features of pictures, in half precision whether they have been stored or not.

    Parameters
    ----------
    pictures : sequence of path or array
        Features are stored by what is in them.
    name : str
        Of :data:`~mmgraph.retrieval.images.named.IMAGE_FEATURES`.
    progress : callable
        Told what percentage of the pictures is done, and what is done.

    Raises
    ------
    FormatError
        If a picture cannot be read (which).
    """
    store = KeptSteps(datasets.cache_dir() / "features", pictures_digest(pictures))
    step = f"{name}-{store.fingerprint[:16]}"
    if (stored := store.read(step, quietly=True)) is None:
        kind = image_features(name)
        made = kind.features(
            pictures,
            progress=lambda done, all_: progress(100 * done // all_, f"{name} of {all_} pictures"),
        )
        stored = {"features": made.astype(np.float16)}, None
        store.write(step, stored[0])
    return stored[0]["features"].astype(np.float32)
