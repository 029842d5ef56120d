"""Losses between modalities beside torch's functions and closed forms, on rows that have both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from mmgraph.deep.losses.between import BetweenModalities, Contrastive, Correlation, Cosine
from mmgraph.deep.losses.distributions import Coral, MeanDiscrepancy
from mmgraph.deep.packs.pack import Pack
from mmgraph.graph.errors import LearningError

KINDS = [Contrastive, Cosine, Correlation, MeanDiscrepancy, Coral]


def prepared(loss: BetweenModalities, members: int = 2, width: int = 5) -> BetweenModalities:
    pack = Pack(members, torch.Generator().manual_seed(0))
    loss.prepare({"a": (3,), "b": (3,)}, {"a": width, "b": width}, pack)
    return loss.double()


def paired(output, member):
    both = output.present["a"] & output.present["b"]
    return output.codes["a"][member, both], output.codes["b"][member, both], both


def test_contrastive_is_the_cross_entropy_of_both_directions(output):
    rows = output()
    losses = prepared(Contrastive(0.2))(rows)
    for member in range(2):
        a, b, both = paired(rows, member)
        logits = functional.normalize(a) @ functional.normalize(b).T / 0.2
        each = [
            functional.cross_entropy(x, torch.arange(len(a)), reduction="none")
            for x in (logits, logits.T)
        ]
        expected = (sum(each) / 2 * rows.weights[both]).sum() / len(both)
        torch.testing.assert_close(losses[member], expected)


def test_cosine_is_that_of_torch_for_pairs_and_others(output):
    rows = output()._replace(weights=torch.ones(40).double())
    losses = prepared(Cosine(0.1))(rows)
    for member in range(2):
        a, b, both = paired(rows, member)
        n = len(a)
        pulled = functional.cosine_embedding_loss(a, b, torch.ones(n))
        one, other = (~torch.eye(n, dtype=torch.bool)).nonzero().T
        pushed = functional.cosine_embedding_loss(a[one], b[other], -torch.ones(len(one)), 0.1)
        torch.testing.assert_close(losses[member], (pulled + pushed) * n / len(both))


def test_deep_cca_has_the_canonical_correlations_of_cca_zoo(output):
    linear = pytest.importorskip("cca_zoo.linear")
    rows = output(members=1)._replace(weights=torch.ones(40).double())
    a, b, _ = (x.numpy() for x in paired(rows, 0))
    fitted = linear.CCA(n_components=5).fit([a, b])
    scores = fitted.transform([a, b])
    columns = zip(*(side.T for side in scores), strict=True)
    expected = np.mean([np.corrcoef(x, y)[0, 1] for x, y in columns])
    loss = prepared(Correlation(ridge=0.0), 1)(rows)
    assert 1 - float(loss[0]) == pytest.approx(expected, abs=1e-9)


def test_mean_discrepancy_is_the_mean_of_kernels_over_all_pairs(output):
    rows = output(rows=12, lacking=3)
    losses = prepared(MeanDiscrepancy())(rows)
    for member in range(2):
        sides = []
        for m in "ab":
            there = rows.present[m]
            weights = rows.weights[there] / rows.weights[there].sum()
            sides.append((rows.codes[m][member, there], weights))
        everything = torch.cat([codes for codes, _ in sides])
        shares = torch.cat([weights for _, weights in sides]) / 2
        distances = torch.cdist(everything, everything).square()
        mean = shares @ distances @ shares
        total = 0.0
        for i, (x, u) in enumerate(sides):
            for j, (y, v) in enumerate(sides):
                for p in range(len(x)):
                    for q in range(len(y)):
                        far = (x[p] - y[q]).square().sum() / mean
                        kernel = sum(torch.exp(-far / s) for s in (0.25, 0.5, 1, 2, 4)) / 5
                        total += (1 if i == j else -1) * u[p] * v[q] * kernel
        torch.testing.assert_close(losses[member], total)


def test_coral_is_the_distance_of_covariances(output):
    rows = output()._replace(weights=torch.ones(40).double())
    losses = prepared(Coral())(rows)
    a, b = (rows.codes[m][1, rows.present[m]] for m in "ab")
    apart = torch.cov(a.T, correction=0) - torch.cov(b.T, correction=0)
    torch.testing.assert_close(losses[1], apart.square().sum() / (4 * 25))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_has_no_influence_and_gradients_are_finite(kind, output):
    rows, loss = output(), prepared(kind())
    changed = {
        m: c.where(rows.present[m][:, None], 1e3).requires_grad_() for m, c in rows.codes.items()
    }
    value = loss(rows._replace(codes=changed))
    torch.testing.assert_close(value, loss(rows))
    value.sum().backward()
    for modality, codes in changed.items():
        assert codes.grad.isfinite().all()
        assert codes.grad[:, rows.present[modality]].any()
        assert not codes.grad[:, ~rows.present[modality]].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lacking", [20, 40])
def test_without_pairs_losses_and_gradients_are_finite(kind, lacking, output):
    rows = output(lacking=lacking)
    codes = {m: c.requires_grad_() for m, c in rows.codes.items()}
    prepared(kind())(rows).sum().backward()
    assert all(c.grad.isfinite().all() for c in codes.values())


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_independent(kind, output):
    rows = output()
    both = prepared(kind())(rows)
    alone = rows._replace(codes={m: c[1:] for m, c in rows.codes.items()})
    torch.testing.assert_close(prepared(kind(), 1)(alone)[0], both[1])


@pytest.mark.parametrize("kind", KINDS)
def test_single_modalities_and_unequal_widths_are_refused(kind):
    pack = Pack(1, torch.Generator())
    with pytest.raises(LearningError, match="there is but one, 'a'"):
        kind().prepare({"a": (3,)}, {"a": 4}, pack)
    with pytest.raises(LearningError, match=r"not 4 numbers of 'a' with 5 of 'b'"):
        kind().prepare({"a": (3,), "b": (3,)}, {"a": 4, "b": 5}, pack)
