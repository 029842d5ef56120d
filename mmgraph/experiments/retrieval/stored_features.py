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
    pictures: Sequence[Any],
    names: Sequence[str],
    progress: Callable[[int, str], None],
) -> Float32[np.ndarray, "pictures features"]:
    """Return the features of each name, side by side, in half precision.

    Parameters
    ----------
    pictures : sequence of path or array
        Features are stored by what is in them.
    names : sequence of str
        Of :data:`~mmgraph.retrieval.images.named.IMAGE_FEATURES`.
    progress : callable
        Told what percentage of the pictures is done, and what is done.

    Raises
    ------
    FormatError
        If a picture cannot be read (which).
    """
    store = KeptSteps(datasets.cache_dir() / "features", pictures_digest(pictures))
    blocks = []
    for place, name in enumerate(names):
        step = f"{name}-{store.fingerprint[:16]}"
        stored = store.read(step, quietly=True)
        if stored is None:

            def tell(done: int, count: int, name: str = name, place: int = place) -> None:
                share = (place + done / max(count, 1)) / len(names)
                progress(int(100 * share), f"{name} of {count:,} pictures")

            # In half precision whether they have been stored or not, so that answers are the same.
            made = image_features(name).features(pictures, progress=tell).astype(np.float16)
            store.write(step, {"features": made})
        else:
            made = stored[0]["features"]
        blocks.append(made.astype(np.float32))
    return np.concatenate(blocks, axis=1)
