"""What turns pictures into numbers: the same for each picture, whatever the others are."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jaxtyping import Float32, UInt8

from mmgraph.graph.memory_budget import check_required, default_memory_budget
from mmgraph.retrieval.images.reading import read_picture, squared

if TYPE_CHECKING:
    from mmgraph.retrieval.images.reading import Picture


class ImageFeatures(abc.ABC):
    """Numbers that describe a picture, with nothing to fit.

    Attributes
    ----------
    name : str
        By which :data:`mmgraph.retrieval.images.named.IMAGE_FEATURES` has it.
    size : int
        The height and width of the squares that pictures become, in pixels.
    batch : int
        How many pictures are described at once.
    widths : tuple of int
        How many numbers each kind of them has, kinds side by side: colours, shapes, …
    """

    name: ClassVar[str]
    size: int
    batch: ClassVar[int] = 32
    widths: tuple[int, ...]

    @property
    def width(self) -> int:
        """How many numbers describe a picture."""
        return sum(self.widths)

    def features(
        self,
        pictures: Sequence[Picture | None],
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> Float32[np.ndarray, "images width"]:
        """Return the numbers of pictures, in rows of NaN where there is none.

        Parameters
        ----------
        pictures : sequence of path, bytes, array, PIL.Image.Image or None
            As :func:`mmgraph.retrieval.images.reading.read_picture` takes them; read a batch at a
            time.
        progress : callable, optional
            Called with how many pictures are done, and how many there are.

        Raises
        ------
        FormatError
            If one cannot be read; names it.
        MemoryBudgetError
            If the numbers would take more than half of the memory; nothing has been allocated.
        MissingExtraError
            If a picture is in a file, and Pillow is not installed.
        """
        count = len(pictures)
        check_required(
            f"the features of {count:,} images",
            4 * count * self.width,
            default_memory_budget(),
            "Fewer images at once need less",
        )
        values = np.full((count, self.width), np.nan, np.float32)
        for start in range(0, count, self.batch):
            rows = range(start, min(start + self.batch, count))
            there = [row for row in rows if pictures[row] is not None]
            if there:
                values[there] = self.of_squares(
                    np.stack([self._square(pictures[row], row) for row in there])
                )
            if progress is not None:
                progress(rows.stop, count)
        return values

    def _square(self, picture: Picture | None, row: int) -> UInt8[np.ndarray, "size size 3"]:
        assert picture is not None
        return squared(read_picture(picture, f"image {row}"), self.size)

    @abc.abstractmethod
    def of_squares(
        self, squares: UInt8[np.ndarray, "images size size channels=3"]
    ) -> Float32[np.ndarray, "images width"]:
        """Return the numbers of pictures that are squares already, a batch at most."""
