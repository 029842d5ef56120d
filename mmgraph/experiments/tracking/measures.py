"""How good tracks are, measured by trackeval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from mmgraph.graph.errors import needs
from mmgraph.sequences.tracking.tracks import Tracks


def track_measures(pairs: Iterable[tuple[Tracks, Tracks]]) -> dict[str, float]:
    """Return MOTA, IDF1, HOTA, identity switches and the like of several scenes together.

    Parameters
    ----------
    pairs : iterable of (Tracks, Tracks)
        What was found, and the truth, of each scene.

    Returns
    -------
    dict
        ``mota``, ``idf1``, ``hota``, ``switches``, ``false_positives``, ``misses`` and ``boxes``
        (of the truth), at an intersection over union of at least one half.

    Raises
    ------
    MissingExtraError
        If trackeval is not installed.

    References
    ----------
    Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT
    metrics" (2008); Ristani et al. (2016, IDF1); Luiten et al., "HOTA" (2020).
    """
    with needs("tracking", "trackeval", "measuring tracks"):
        from trackeval.metrics import CLEAR, HOTA, Identity
    with contextlib.redirect_stdout(io.StringIO()):  # each says how it is set
        metrics = [HOTA(), CLEAR(), Identity()]
        scenes = [_scene(found, truth) for found, truth in pairs]
        hota, clear, identity = (
            metric.combine_sequences(
                {str(i): metric.eval_sequence(scene) for i, scene in enumerate(scenes)}
            )
            for metric in metrics
        )
    return {
        "mota": float(clear["MOTA"]),
        "idf1": float(identity["IDF1"]),
        "hota": float(np.mean(hota["HOTA"])),
        "switches": int(clear["IDSW"]),
        "false_positives": int(clear["CLR_FP"]),
        "misses": int(clear["CLR_FN"]),
        "boxes": int(clear["CLR_TP"] + clear["CLR_FN"]),
    }


def overlaps(
    some: Float64[np.ndarray, "some 4"], others: Float64[np.ndarray, "others 4"]
) -> Float64[np.ndarray, "some others"]:
    """Return the intersection over union of each box (left, top, width, height) with each."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum((some[:, :2] + some[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    return shared / (some[:, None, 2:].prod(axis=2) + others[None, :, 2:].prod(axis=2) - shared)


def _scene(found: Tracks, truth: Tracks) -> dict[str, object]:
    """Return a scene as trackeval takes it: identities from 0, and similarities a frame."""
    true_ids, true = np.unique(truth.ids, return_inverse=True)
    found_ids, ours = np.unique(found.ids, return_inverse=True)
    rows = [
        (true[t], ours[f], overlaps(truth.boxes[t], found.boxes[f]))
        for frame in np.union1d(truth.frames, found.frames)
        for t, f in [(truth.frames == frame, found.frames == frame)]
    ]
    return {
        "num_timesteps": len(rows),
        "num_gt_ids": len(true_ids),
        "num_tracker_ids": len(found_ids),
        "num_gt_dets": len(true),
        "num_tracker_dets": len(ours),
        "gt_ids": [row[0] for row in rows],
        "tracker_ids": [row[1] for row in rows],
        "similarity_scores": [row[2] for row in rows],
    }
