"""Sizes that fit a budget and sizes that do not."""

from __future__ import annotations

import pytest

from mmgraph.graph.errors import MemoryBudgetError
from mmgraph.graph.memory_budget import check_required, default_memory_budget, format_bytes


def test_what_does_not_fit_is_refused_with_both_sizes():
    check_required("a table", 1024, 1024, "Take less")
    with pytest.raises(MemoryBudgetError) as caught:
        check_required("a table", 3 * 2**30, 2**20, "Take less")
    assert str(caught.value) == "a table would need 3.0 GiB, the budget is 1.0 MiB. Take less"
    assert (caught.value.required_bytes, caught.value.budget_bytes) == (3 * 2**30, 2**20)


def test_sizes_as_people_read_them():
    assert [format_bytes(size) for size in (5, 2048, 2**60)] == ["5 B", "2.0 KiB", "1 EiB"]
    assert default_memory_budget() > 2**20
