"""Which modalities rows are answered by."""

from __future__ import annotations

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.graph.errors import UnknownVariableError
from mmgraph.predictors.modality_sets import asked_modalities, modality_sets


def test_modalities_are_asked_for_by_name_in_the_order_of_the_model():
    assert asked_modalities(("one", "other"), ["other", "one"]) == ("one", "other")
    assert asked_modalities(("one", "other"), "other") == ("other",)
    assert asked_modalities(("one", "other"), None) == ("one", "other")
    with pytest.raises(UnknownVariableError, match="no modality 'onee'; did you mean 'one'"):
        asked_modalities(("one", "other"), ["onee"])


def test_every_row_is_in_the_set_of_its_modalities():
    nan = np.nan
    data = mm.MultimodalData.of(
        {"one": [[1.0], [nan], [nan], [2.0]], "other": [[1.0], [1.0], [nan], [nan]]}
    )
    sets = {names: place.tolist() for names, place in modality_sets(data, ["one", "other"])}
    assert sets == {("one", "other"): [0], ("other",): [1], (): [2], ("one",): [3]}
    alone = {names: place.tolist() for names, place in modality_sets(data, ["other"])}
    assert alone == {("other",): [0, 1], (): [2, 3]}
    assert [names for names, _ in modality_sets(data, [])] == [()]
