import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgraph.graph.errors import MmgraphError
from mmgraph.retrieval.alignment.align import align

MOVES = {
    "symmetric1": {(1, 0): 1, (0, 1): 1, (1, 1): 1},
    "symmetric2": {(1, 0): 1, (0, 1): 1, (1, 1): 2},
    "asymmetric": {(1, 0): 1, (1, 1): 1, (1, 2): 1},
}


def paths(shape, step, cells=((0, 0),), weights=(1,)):
    """All paths from the first cell to the last, and how often each of their cells counts."""
    row, column = cells[-1]
    if (row + 1, column + 1) == shape:
        yield cells, weights
    for (i, j), weight in MOVES[step].items():
        if row + i < shape[0] and column + j < shape[1]:
            yield from paths(shape, step, (*cells, (row + i, column + j)), (*weights, weight))


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([*MOVES]),
    st.sampled_from([0.0, 0.5, 2.0]),
    st.sampled_from([None, 1, 2]),
    st.integers(0, 2**20),
)
@settings(max_examples=60, deadline=None)
def test_paths_are_those_of_enumeration(shape, step, softness, band, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(size, 2)) for size in shape)
    costs = ((a[:, None] - b) ** 2).sum(2)
    ways = []
    for cells, weights in paths(shape, step):
        slope = (shape[1] - 1) / max(shape[0] - 1, 1)
        if band is None or shape[0] == 1 or all(abs(j - slope * i) <= band for i, j in cells):
            ways.append((sum(w * costs[c] for c, w in zip(cells, weights, strict=True)), cells))
    options = {"method": "dtw", "softness": softness, "step": step, "band": band}
    if not ways:
        with pytest.raises(MmgraphError, match=f"no path of '{step}' steps"):
            align(a, b, **options)
        return
    found = align(a, b, **options)
    least, best = min(ways)
    assert [tuple(cell) for cell in found.pairs] == list(best)
    totals = np.array([total for total, _ in ways])
    shares = np.exp((least - totals) / softness) if softness else (totals == least).astype(float)
    expected = np.zeros(shape)
    for share, (_, cells) in zip(shares / shares.sum(), ways, strict=True):
        expected[tuple(np.transpose(cells))] += share
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-12)
    assert found.score == pytest.approx(softness * np.log(shares.sum()) - least)


def test_soft_probabilities_are_the_gradient_that_autograd_finds():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    costs = torch.cdist(torch.tensor(a), torch.tensor(b)).square().requires_grad_()
    totals = {(-1, -1): torch.tensor(0.0).double()}
    for i in range(7):
        for j in range(5):
            before = [totals[c] for c in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if c in totals]
            totals[i, j] = costs[i, j] - 0.3 * torch.logsumexp(-torch.stack(before) / 0.3, 0)
    totals[6, 4].backward()
    found = align(a, b, method="dtw", softness=0.3)
    assert found.score == pytest.approx(-float(totals[6, 4].detach()))
    np.testing.assert_allclose(found.probabilities, costs.grad.numpy(), atol=1e-12)


def test_a_stretched_sequence_lies_on_itself():
    wave = np.sin(np.linspace(0, 6, 30))
    slow = np.repeat(wave, 3)
    found = align(wave, slow, method="dtw", band=5)
    assert found.score == 0
    assert (found.pairs[:, 0] == found.pairs[:, 1] // 3).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": "symetric2"}, "did you mean 'symmetric2'"),
        ({"softness": -1.0}, "softness and band are zero or more"),
        ({"band": -1}, "softness and band are zero or more"),
        ({"band": 0}, "no path of 'symmetric1' steps by 2 × 5 frames stays in a band of 0"),
        ({"step": "asymmetric"}, "no path of 'asymmetric' steps by 2 × 5 frames"),
        ({"a": [0.0, np.nan]}, "a is not finite in row 1"),
        ({"b": []}, "b has shape"),
        ({"b": None}, "b is no matrix of numbers|b is not finite|b has shape"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(MmgraphError, match=message):
        align(**{"a": [0.0, 1.0], "b": [0.0, 1.0, 2.0, 3.0, 4.0], "method": "dtw"} | options)
