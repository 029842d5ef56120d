"""What a search has found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Float64

from mmgraph.graph.errors import needs
from mmgraph.retrieval.indices.index import Id

if TYPE_CHECKING:
    import pandas as pd

    from mmgraph.retrieval.images.reading import Picture


@dataclass(frozen=True, eq=False)
class Hits:
    """The items found for one query, best first.

    Attributes
    ----------
    ids : list of str or int
    scores : ndarray of float32, shape (hits,)
        Similarities: products of places in the space.
    probabilities : ndarray, shape (hits,)
        How probable it is that an item is what the query asks for, as calibrated on pairs that the
        space was not learned from; the more items there are, the less probable is each.
    captions : list of str or None
        What the items' texts say, where they have any.
    pictures : list of str or None
        The files of the items' pictures, where they were given as files.
    unknown_words : tuple of str
        Words of the query that no caption had which was learned from: of them only groups of
        letters count, if the texts' features have those.
    """

    ids: list[Id]
    scores: Float32[np.ndarray, " hits"]
    probabilities: Float64[np.ndarray, " hits"]
    captions: list[str | None]
    pictures: list[str | None]
    unknown_words: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name!r} ({probability:.2g})"
            for name, probability in zip(self.ids[:3], self.probabilities, strict=False)
        )
        return f"Hits({shown}{', …' if len(self) > 3 else ''})"

    def records(self) -> list[dict[str, Any]]:
        """Return a record a hit: its rank from 1, id, score, probability, caption, picture."""
        columns = (self.ids, self.scores, self.probabilities, self.captions, self.pictures)
        return [
            {
                "rank": rank,
                "id": name,
                "score": float(score),
                "probability": float(probability),
                "caption": caption,
                "picture": picture,
            }
            for rank, (name, score, probability, caption, picture) in enumerate(
                zip(*columns, strict=True), start=1
            )
        ]

    def draw(
        self, path: str | os.PathLike[str], query: str = "", *, image: Picture | None = None
    ) -> None:
        """Draw a sheet of the pictures found, white where an item has none.

        Parameters
        ----------
        path : path
            A file that ends in .png, .svg or .pdf.
        query : str
            The words that were asked for, to stand beside the hits.
        image : picture, optional
            The picture that was asked for.

        Raises
        ------
        FormatError
            If a picture is no longer there (which), or the file cannot be written.
        MmgraphError
            If nothing was found.
        MissingExtraError
            If matplotlib is not installed.
        """
        from mmgraph.plots import save
        from mmgraph.plots.retrieval.hit_sheet import hit_sheet
        from mmgraph.retrieval.images.reading import read_picture

        white = np.full((1, 1, 3), 255, np.uint8)
        sheet = hit_sheet(
            [query if image is None else read_picture(image)],
            [[white if file is None else read_picture(file) for file in self.pictures]],
            probabilities=[self.probabilities.tolist()],
            captions=[[caption or "" for caption in self.captions]],
            title=query if image is not None and query else None,
        )
        save(sheet, path)

    def to_frame(self) -> pd.DataFrame:
        """Return the records as a pandas frame.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "frames"):
            import pandas as pd
        return pd.DataFrame(self.records())
