"""A net that has learned, with how rows become what it takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from mmgraph.data.modality_rows import ModalityRows
from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.inputs.modality_input import ModalityInput, cells_of
from mmgraph.deep.training.net import Net

_ROWS = 2048
"""How many rows are answered at a time."""


@dataclass(frozen=True, eq=False)
class LearnedNet:
    """A net and the scales of its modalities.

    Attributes
    ----------
    net : Net
    inputs : mapping of str to ModalityInput
    contributions : mapping of str to float
        What each of several losses added to their sum at the end of training, as a mean over the
        training rows and members; empty of one loss alone, and not held by files.
    """

    net: Net
    inputs: Mapping[str, ModalityInput]
    contributions: Mapping[str, float] = field(default_factory=dict)

    @property
    def prior(self) -> Float64[np.ndarray, " classes"]:
        """The shares of the classes in the rows that the net has learned from."""
        return self.net.prior.cpu().numpy()

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next(self.net.parameters()).device

    def probabilities(
        self, data: ModalityRows, given: Collection[str]
    ) -> Float64[np.ndarray, "rows classes"]:
        """Return the mean of the members' probabilities, by some of the modalities.

        Rows of which there is no cell that the net looks at get :attr:`prior`.
        """
        self.net.eval()
        tables = []
        with torch.no_grad():
            for cells in self.batches(data, given):
                there = torch.stack([one.present for one in cells.values()]).any(0)
                table = self.net.prior.repeat(len(there), 1)
                if there.any():
                    fused: Tensor = self.net(
                        {m: c.rows(there.nonzero()[:, 0]) for m, c in cells.items()}
                    ).fused
                    table[there] = fused.double().softmax(-1).mean(0)
                tables.append(table.cpu().numpy())
        return np.concatenate(tables) if tables else np.zeros((0, self.net.design.outputs))

    def batches(self, data: ModalityRows, given: Collection[str]) -> Iterator[dict[str, Cells]]:
        """Yield rows as cells, a part at a time, without the modalities that are not looked at."""
        for first in range(0, len(data), _ROWS):
            part = data.rows(slice(first, first + _ROWS)).only(
                *(m for m in self.inputs if m in given)
            )
            yield {m: c.to(self.device) for m, c in cells_of(part, self.inputs).items()}
