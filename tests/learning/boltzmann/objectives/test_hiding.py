"""What is hidden: shares of rows, units and modalities; noise and blends."""

from __future__ import annotations

import pytest
import torch

from mmgraph.graph.errors import MmgraphError
from mmgraph.inference.field.clamping import Clamped
from mmgraph.learning.boltzmann.objectives.disturbance import Disturbance
from mmgraph.learning.boltzmann.objectives.hiding import HidingDistribution, hide, joined
from tests.learning.multimodal_machines import LABEL, VISIBLE, multimodal_rows, with_missing

NAMES = ("camera", "rate", "colour", "words")
VARIABLES = {**VISIBLE, "label": LABEL}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hidden_of(hiding: HidingDistribution, rows: int = 2000, **missing: object):
    batch = multimodal_rows(rows)
    return batch, hide(batch, VARIABLES, ("label",), hiding, Disturbance(), generator())


def test_modalities_are_hidden_by_themselves():
    drawn = HidingDistribution(modality=0.3, labels=0.8).draw(NAMES, 20000, generator())
    assert drawn.modalities.double().mean(0).tolist() == pytest.approx([0.7] * 4, abs=0.02)
    both = (drawn.modalities[:, 0] & drawn.modalities[:, 1]).double().mean()
    assert float(both) == pytest.approx(0.49, abs=0.02)
    assert float(drawn.labels.double().mean()) == pytest.approx(0.2, abs=0.02)


def test_kinds_of_rows_have_their_shares():
    hiding = HidingDistribution(
        modality=1.0,
        everything=0.2,
        single=0.5,
        single_weights={"camera": 2.0, "rate": 0.0},
        situations={("rate", "words"): 0.3},
        labels=0.0,
    )
    drawn = hiding.draw(NAMES, 20000, generator())
    given = drawn.modalities
    count = given.sum(1)
    assert float((count == 4).double().mean()) == pytest.approx(0.2, abs=0.02)
    exact = (given == torch.tensor([False, True, False, True])).all(1)
    assert float(exact.double().mean()) == pytest.approx(0.3, abs=0.02)
    alone = given[count == 1].double().mean(0).tolist()
    assert alone == pytest.approx([0.5, 0.0, 0.25, 0.25], abs=0.02)
    assert not bool(drawn.labels.any())  # labels are given in rows of independent draws only


def test_all_rows_together():
    drawn = HidingDistribution(together=True).draw(NAMES, 50, generator())
    assert bool((drawn.modalities == drawn.modalities[0]).all())
    assert bool((drawn.partly == drawn.partly[0]).all())
    hiding = HidingDistribution(everything=1.0, partly=0.0, together=True)
    _, hidden = hidden_of(hiding, 30)
    assert set(hidden.shown) == set(VISIBLE)
    assert all(c.known is None for c in hidden.shown.values())


def test_units_of_what_is_given_are_hidden():
    hiding = HidingDistribution(modality=0.0, partly=0.5, units=0.4)
    _, hidden = hidden_of(hiding)
    assert float(hidden.hidden["depth"].double().mean()) == pytest.approx(0.2, abs=0.03)
    assert bool(hidden.hidden["pixels"][:, 0].any())
    assert not bool(hidden.hidden["words"].any())  # a document is hidden as a whole
    rows = hidden.hidden["pixels"].any(1)
    assert 0.3 < float(rows.double().mean()) < 0.5


def test_variables_of_one_modality_are_hidden_at_once():
    _, hidden = hidden_of(HidingDistribution(partly=0.0))
    assert torch.equal(hidden.hidden["pixels"][:, 0], hidden.hidden["depth"][:, 0])
    assert not torch.equal(hidden.hidden["pixels"][:, 0], hidden.hidden["rate"][:, 0])


def test_what_is_shown_and_hidden_is_known_and_makes_up_the_whole():
    missing = torch.arange(60) % 2 == 0
    batch = with_missing(multimodal_rows(60), "depth", missing, 9.0)
    drawn = hide(batch, VARIABLES, ("label",), HidingDistribution(), Disturbance(), generator())
    shown = drawn.shown["depth"].known
    assert shown is not None
    assert not bool((shown & drawn.hidden["depth"]).any())
    assert torch.equal(shown | drawn.hidden["depth"], ~missing.unsqueeze(1).expand(60, 2))


def test_parts_are_joined():
    hiding = HidingDistribution(together=True, partly=0.0)
    parts = [
        hide(multimodal_rows(10, seed), VARIABLES, ("label",), hiding, Disturbance(),
             generator(seed)) for seed in range(6)
    ]  # fmt: skip
    whole = joined(parts)
    for name in VARIABLES:
        for i, part in enumerate(parts):
            rows = slice(10 * i, 10 * i + 10)
            assert torch.equal(whole.hidden[name][rows], part.hidden[name])
            assert torch.equal(whole.clean[name][rows], part.clean[name])
            if name in whole.shown:
                known = whole.shown[name].known
                assert known is not None
                assert torch.equal(known[rows], ~part.hidden[name])


def test_noise_is_on_what_is_shown_alone():
    batch = multimodal_rows(4000)
    disturbance = Disturbance({"depth": 0.5, "rate": 5.0})
    drawn = hide(batch, VARIABLES, ("label",), HidingDistribution(), disturbance, generator())
    assert torch.equal(drawn.clean["depth"], batch["depth"].values)
    difference = drawn.shown["depth"].values - batch["depth"].values
    assert float(difference.std()) == pytest.approx(0.5, rel=0.05)
    assert float(drawn.shown["rate"].values.min()) == 0.0


def test_noise_may_differ_between_rows():
    variable = VISIBLE["depth"]
    values = torch.zeros(5000, 2, dtype=torch.float64)
    noisy = Disturbance({"depth": 1.0}, spread=0.9).noisy(variable, values, generator())
    # The mean fourth power over the squared mean square is 3 where rows are alike.
    kurtosis = float(noisy.pow(4).mean() / noisy.square().mean().square())
    assert kurtosis > 3.8


@pytest.mark.parametrize("kind", ["towards", "difference"])
def test_rows_are_blended_within_their_label(kind):
    batch = multimodal_rows(300)
    label = batch["label"].values
    # Every label has values of its own, so that a blend with another label would show.
    base = (label * torch.tensor([10.0, 20.0, 30.0])).sum(1, keepdim=True)
    noise = torch.rand(300, 2, generator=generator(), dtype=torch.float64)
    batch["depth"] = Clamped(base + noise)
    disturbance = Disturbance(blended=0.5, strength=0.6, kind=kind)
    blended = disturbance.blend(batch, "label", VARIABLES, generator())
    moved = (blended["depth"].values != batch["depth"].values).any(1)
    assert 0.35 < float(moved.double().mean()) < 0.6
    assert bool(((blended["depth"].values - base).abs() < 1.6).all())
    assert torch.equal(blended["words"].values, batch["words"].values)


def test_rows_are_blended_with_those_of_a_pool():
    batch, pool = multimodal_rows(50), multimodal_rows(400, seed=7)
    pool["depth"] = Clamped(pool["depth"].values + 1000)
    disturbance = Disturbance(blended=1.0, strength=1.0)
    blended = disturbance.blend(batch, "label", VARIABLES, generator(), pool)
    assert float(blended["depth"].values.max()) > 500
    alone = {n: pool[n] for n in ("label",)}
    kept = disturbance.blend(batch, "label", VARIABLES, generator(), alone)
    assert kept["depth"] is batch["depth"]


def test_rows_without_a_label_are_not_blended():
    missing = torch.arange(40) % 2 == 0
    batch = with_missing(multimodal_rows(40), "label", missing, 1.0)
    disturbance = Disturbance(blended=1.0)
    blended = disturbance.blend(batch, "label", VARIABLES, generator())
    same = (blended["depth"].values == batch["depth"].values).all(1)
    assert bool(same[missing].all())
    assert not bool(same[~missing].all())
    assert disturbance.blend(batch, None, VARIABLES, generator())["depth"] is batch["depth"]


def test_unknown_values_stay_out_of_blends():
    missing = torch.arange(40) % 2 == 0
    batch = with_missing(multimodal_rows(40), "depth", missing, 1e6)
    blended = Disturbance(blended=1.0).blend(batch, "label", VARIABLES, generator())
    assert float(blended["depth"].values[~missing].abs().max()) < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modality": 1.5}, "modality must lie"),
        ({"units": -0.1}, "units must lie"),
        ({"single": 0.6, "everything": 0.6}, "more than 1"),
        ({"situations": {("a",): 2.0}}, r"situation \('a',\)"),
        ({"single_weights": {"a": -1.0}}, "'a'"),
    ],
)
def test_shares_out_of_range(arguments: dict, message: str):
    with pytest.raises(MmgraphError, match=message):
        HidingDistribution(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": {"a": -1.0}}, "noise of 'a'"),
        ({"blended": 2.0}, "blended must lie"),
        ({"spread": 2.0}, "spread must lie"),
        ({"strength": 1.1}, "strength must lie"),
        ({"kind": "mixed"}, "unknown blend 'mixed'"),
    ],
)
def test_disturbances_out_of_range(arguments: dict, message: str):
    with pytest.raises(MmgraphError, match=message):
        Disturbance(**arguments)


def test_single_modalities_need_a_weight():
    hiding = HidingDistribution(single=0.5, single_weights=dict.fromkeys(NAMES, 0.0))
    with pytest.raises(MmgraphError, match="all weights of those are 0"):
        hidden_of(hiding, 10)
