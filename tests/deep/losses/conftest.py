from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from mmgraph.deep.inputs.cells import Cells
from mmgraph.deep.losses.loss import NetOutput


@pytest.fixture
def output() -> Callable[..., NetOutput]:
    """Rows of two modalities, of which some lack one, as a net might make them."""

    def made(rows: int = 40, members: int = 2, width: int = 5, lacking: int = 6) -> NetOutput:
        draws = torch.Generator().manual_seed(rows + width)
        common = torch.randn(members, rows, width, generator=draws).double()
        codes, present, cells = {}, {}, {}
        for place, modality in enumerate("ab"):
            noise = torch.randn(members, rows, width, generator=draws).double()
            codes[modality] = common + 0.5 * (1 + place) * noise
            present[modality] = torch.ones(rows, dtype=torch.bool)
            present[modality][place * lacking : (place + 1) * lacking] = False
            values = torch.randn(rows, 3, generator=draws).double()
            there = present[modality][:, None].expand(rows, 3)
            cells[modality] = Cells(values * there, there)
        weights = torch.rand(rows, generator=draws).double()
        return NetOutput(cells, present, codes, weights / weights.mean())

    return made
