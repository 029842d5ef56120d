"""The features of pictures by name."""

from __future__ import annotations

from collections.abc import Mapping

from mmgraph.graph.errors import LearningError, check_choice
from mmgraph.retrieval.images.efficientnet import EfficientNetLite0
from mmgraph.retrieval.images.features import ImageFeatures
from mmgraph.retrieval.images.pixels import Pixels

IMAGE_FEATURES: Mapping[str, type[ImageFeatures]] = {
    kind.name: kind for kind in (Pixels, EfficientNetLite0)
}
"""The kinds by name."""


def image_features(name: str) -> ImageFeatures:
    """Return features by name.

    Raises
    ------
    LearningError
        If there are none of that name (with the nearest).
    """
    check_choice("features of images", name, IMAGE_FEATURES, LearningError)
    return IMAGE_FEATURES[name]()
