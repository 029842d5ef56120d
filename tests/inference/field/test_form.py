"""The forms in which statistics of variables are kept."""

from __future__ import annotations

import pytest
import torch

import mmgraph as mm
from mmgraph.inference.field.form import Form

UNIT = mm.Variable("unit", shape=(3,), family="bernoulli")
LABEL = mm.Variable("label", 4, shape=(3,))


@pytest.mark.parametrize(
    ("variable", "compact", "shape"),
    [(UNIT, True, (3,)), (UNIT, False, (3, 2)), (LABEL, True, (3, 4)), (LABEL, False, (3, 4))],
)
def test_states_come_back_from_their_statistics(variable, compact, shape):
    form = Form.of(variable, compact)
    codes = torch.tensor([[0, 1, variable.cardinality - 1], [1, 0, 0]])
    statistics = form.statistics(codes, torch.float64)
    assert form.shape == shape
    assert statistics.shape == (2, *shape)
    torch.testing.assert_close(form.values(statistics), codes)
    expected = torch.nn.functional.one_hot(codes, variable.cardinality).double()
    torch.testing.assert_close(form.marginals(statistics), expected)


def test_log_odds_say_the_same_of_both_forms_of_a_unit():
    odds = torch.tensor([[0.3, -1.2, 0.0]])
    apart, joined = Form.of(UNIT, False), Form.of(UNIT, True)
    torch.testing.assert_close(joined.natural(odds), odds)
    potentials = apart.natural(odds)
    torch.testing.assert_close(potentials.softmax(-1)[..., 1], odds.sigmoid())
    torch.testing.assert_close(apart.natural(potentials), potentials)


def test_real_values_are_their_own_statistics():
    form = Form.of(mm.Variable("height", shape=(2,), family="gaussian"), True)
    values = torch.tensor([[0.5, -2.0]])
    torch.testing.assert_close(form.values(form.statistics(values, torch.float32)), values)
