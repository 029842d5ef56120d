"""Information of sets of sources, Shapley values and O-information, against enumeration."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmgraph as mm
from mmgraph.causal.modalities.information.tables import entropy, mutual_information
from mmgraph.graph.errors import MmgraphError


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), shape=st.sampled_from([(2, 3), (2, 2, 3), (2, 3, 2, 2)]))
def test_every_set_and_share_agrees_with_its_definition(seed, shape):
    count = len(shape) - 1
    generator = np.random.default_rng(seed)
    joint = generator.dirichlet(np.full(np.prod(shape), 0.5)).reshape(shape)
    answer = mm.information_by_modality(joint)
    for size in range(1, count + 1):
        for members in combinations(range(count), size):
            others = tuple(i for i in range(count) if i not in members)
            expected = mutual_information(joint.sum(others))
            assert answer.mutual_information[frozenset(members)] == pytest.approx(
                expected, abs=1e-12
            )
    told = answer.mutual_information
    shares = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            shares[player] += (told[before | {player}] - told[before]) / len(orders)
    assert answer.shapley == pytest.approx(shares, abs=1e-12)
    assert answer.shapley.sum() == pytest.approx(told[frozenset(range(count))], abs=1e-12)


def test_o_information_tells_redundancy_from_synergy():
    copies = np.zeros((2, 2, 2))
    copies[0, 0, 0] = copies[1, 1, 1] = 0.5
    parity = np.zeros((2, 2, 2))
    for i, j in np.ndindex(2, 2):
        parity[i, j, i ^ j] = 0.25
    assert mm.information_by_modality(copies).o_information == pytest.approx(1)
    assert mm.information_by_modality(parity).o_information == pytest.approx(-1)
    assert mm.information_by_modality(parity).given_others == pytest.approx([1, 1])


def test_twelve_sources_by_name_and_their_whole():
    generator = np.random.default_rng(1)
    joint = generator.dirichlet(np.full(2**13, 0.1)).reshape((2,) * 13)
    names = [f"modality {i}" for i in range(12)]
    answer = mm.information_by_modality(joint, names)
    assert len(answer.mutual_information) == 2**12
    whole = answer.mutual_information[frozenset(names)]
    assert whole == pytest.approx(mutual_information(joint))
    assert answer.shapley.sum() == pytest.approx(whole)
    assert entropy(joint.sum(tuple(range(12)))) >= whole


@pytest.mark.parametrize(
    ("joint", "names", "message"),
    [
        (np.full((2,), 0.5), None, "0 sources"),
        (np.full((1,) * 14, 1.0), None, "13 sources"),
        (np.full((2, 2), 0.25), ["a", "b"], "a name each"),
        (np.full((2, 2, 2), 0.125), ["a", "a"], "a name each"),
        (np.full((2, 2), 0.3), None, "sums to 1.2"),
    ],
)
def test_what_has_no_such_sources_is_refused(joint, names, message):
    with pytest.raises(MmgraphError, match=message):
        mm.information_by_modality(joint, names)
