"""``mm.query`` and its sisters on hidden Markov models: the answers of their own methods."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

import mmgraph as mm
from mmgraph.graph.errors import (
    EvidenceError,
    MmgraphError,
    UnknownVariableError,
    ZeroProbabilityError,
)
from tests.inference.exact.chain.enumerated_paths import enumerated

LABELS = ("sit", "walk", "run")


def model() -> mm.HiddenMarkovModel:
    return mm.HiddenMarkovModel(LABELS).set_parameters(
        [0.5, 0.5, 0],
        [[0.6, 0.4, 0], [0.3, 0.4, 0.3], [0, 0.5, 0.5]],
        means=[[0.0], [1], [2]],
        covariances=np.full((3, 1), 0.5),
    )


def rows() -> list[np.ndarray]:
    parts = [model().sample(length, length)[0] for length in (6, 1, 4)]
    parts[0][2] = np.nan
    return parts


def test_marginals_are_posteriors_padded_with_zeros():
    answer = mm.query(model(), {"rows": rows()}, ["state"])
    assert answer.lengths == (6, 1, 4)
    assert answer.exact
    marginal = answer.marginal("state")
    assert marginal.shape == (3, 6, 3)
    for row, part in enumerate(model().posterior(rows())):
        np.testing.assert_array_equal(marginal[row, : len(part)], part)
        assert not marginal[row, len(part) :].any()
    np.testing.assert_array_equal(answer.log_evidence, model().log_likelihood(rows()))
    totals = mm.log_partition(model(), {"rows": rows()})
    np.testing.assert_array_equal(totals, model().log_likelihood(rows()))
    alone = mm.query(model(), {"rows": rows()[0]}).marginal("state")
    np.testing.assert_allclose(alone, marginal[:1])


def test_the_best_paths_have_labels_and_weights():
    found = mm.map_query(model(), {"rows": rows()})
    for row, part in enumerate(rows()):
        path = model().predict(part)
        codes = found.states["state"][row].numpy()
        assert [LABELS[code] for code in codes[: len(part)]] == list(path)
        assert (codes[len(part) :] == -1).all()
        logs = model().parameters.emission.log_densities(part)
        truth = enumerated(*model().parameters.chain, logs)
        np.testing.assert_allclose(found.log_weight[row], truth.scores.max())
    assert found.exact


def test_drawn_paths_are_as_frequent_as_probable():
    part = rows()[2]
    truth = enumerated(*model().parameters.chain, model().parameters.emission.log_densities(part))
    drawn = mm.sample(model(), 4000, {"rows": part}, torch.Generator().manual_seed(0))
    assert set(np.unique(drawn["state"])) <= set(LABELS)
    index = np.ravel_multi_index(tuple(drawn.codes["state"].numpy().T), (3,) * 4)
    observed = np.bincount(index, minlength=81)
    expected = 4000 * np.exp(truth.scores - truth.log_likelihood)
    assert not observed[expected == 0].any()
    often = expected >= 5
    observed = np.append(observed[often], observed[~often].sum())
    expected = np.append(expected[often], expected[~often].sum())
    assert chisquare(observed, expected, sum_check=False).pvalue > 1e-3
    several = mm.sample(model(), 5, {"rows": rows()}, torch.Generator().manual_seed(0))
    assert several.codes["state"].shape == (3, 5, 6)
    assert (several.codes["state"][1, :, 1:] == -1).all()
    again = mm.sample(model(), 5, {"rows": rows()}, torch.Generator().manual_seed(0))
    assert torch.equal(again.codes["state"], several.codes["state"])


def test_modalities_are_evidence_by_name():
    both = mm.HiddenMarkovModel(2, {"sound": "gaussian", "word": "categorical"})
    sound = np.concatenate([np.zeros(20), np.full(20, 9.0)]) + np.arange(40) % 3
    word = np.repeat([0, 1], 20)
    both.fit({"sound": sound, "word": word}, tolerance=1e-3)
    given = {"sound": [sound, sound[:5]], "word": [None, word[:5]]}
    answer = mm.query(both, given)
    for row, part in enumerate(both.posterior(given)):
        np.testing.assert_array_equal(answer.marginal("state")[row, : len(part)], part)
    without = mm.log_partition(both, {"sound": sound, "word": None})
    np.testing.assert_array_equal(without, mm.log_partition(both, {"sound": sound}))
    with pytest.raises(UnknownVariableError, match="no modality is called 'words'; did you mean"):
        mm.query(both, {"words": word})


def test_bad_questions_are_refused():
    for ask in (mm.query, mm.map_query, mm.log_partition):
        with pytest.raises(EvidenceError, match="sequences is a mapping of 'rows'"):
            ask(model(), rows())
        with pytest.raises(UnknownVariableError, match="'row'; did you mean 'rows'"):
            ask(model(), {"row": rows()})
        with pytest.raises(EvidenceError, match=r"evidence of sequences is .'rows'"):
            ask(model(), {})
        with pytest.raises(EvidenceError, match="sequence 0 has 2 features, and 1 are expected"):
            ask(model(), {"rows": np.zeros((3, 2))})
        with pytest.raises(MmgraphError, match="method 'chian'; did you mean 'chain'"):
            ask(model(), {"rows": rows()}, method="chian")
    with pytest.raises(UnknownVariableError, match="no hidden variable is called 'stat'"):
        mm.query(model(), {"rows": rows()}, ["stat"])
    never = mm.HiddenMarkovModel(2, "scores").set_parameters()
    scores = {"rows": [np.zeros((2, 2)), np.full((2, 2), -np.inf)]}
    with pytest.raises(ZeroProbabilityError, match="sequence 1 is impossible from step 0 on"):
        mm.query(never, scores)
    np.testing.assert_array_equal(mm.log_partition(never, scores), [0, -np.inf])


def test_a_frame_ends_where_its_sequence_does():
    frame = mm.query(model(), {"rows": rows()}).to_frame()
    assert len(frame) == 3 * (6 + 1 + 4)
    assert frame.groupby(["row", "variable"])["probability"].sum().to_numpy() == pytest.approx(1)


def test_a_scan_answers_alike_on_any_device(device):
    parts, whole = rows(), model()
    expected = mm.query(whole, {"rows": parts})
    options = {"method": "parallel_scan", "device": device}
    answer = mm.query(whole, {"rows": parts}, **options)
    assert answer.method == "parallel_scan"
    assert answer.exact
    torch.testing.assert_close(answer.marginal("state").cpu(), expected.marginal("state"))
    torch.testing.assert_close(answer.log_evidence.cpu(), expected.log_evidence)
    path, best = (
        mm.map_query(whole, {"rows": parts}),
        mm.map_query(whole, {"rows": parts}, **options),
    )
    assert torch.equal(best["state"].cpu(), path["state"])
    total = mm.log_partition(whole, {"rows": parts}, **options)
    torch.testing.assert_close(total.cpu(), expected.log_evidence)
    with pytest.raises(MmgraphError, match="runs on the CPU"):
        mm.sample(whole, 2, {"rows": parts}, method="parallel_scan")
