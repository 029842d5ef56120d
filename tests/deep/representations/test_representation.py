"""Joint and coordinated spaces of made-up rows, whose modalities have a cause in common."""

from __future__ import annotations

import numpy as np
import pytest

from mmgraph.data.multimodal_data import MultimodalData
from mmgraph.deep.inputs.modality_input import cells_of
from mmgraph.deep.losses.between import Contrastive
from mmgraph.deep.representations.representation import TIES, MultimodalRepresentation
from mmgraph.graph.errors import LearningError, NotFittedError, UnknownVariableError

QUICK = {"epochs": 15, "batch_size": 128, "learning_rate": 1e-2, "noise": 0.0}
COORDINATED = [*TIES]


def rows(count: int = 400, seed: int = 0, third: bool = False, lacking: float = 0.0):
    """Linear views of three causes, with noise, of which rows may lack some."""
    causes = np.random.default_rng(seed).normal(size=(count, 3))
    views = {}
    for place, name in enumerate(("sound", "movement", "pulse")[: 2 + third]):
        mixing = np.random.default_rng(place).normal(size=(3, 5 + place))
        noise = np.random.default_rng(10 * seed + place + 1)
        views[name] = causes @ mixing + 0.1 * noise.normal(size=(count, 5 + place))
        views[name][noise.random(count) < lacking] = np.nan
    return MultimodalData.of(views), causes


def recall(codes, one="sound", other="movement") -> float:
    """How often a row's nearest of another modality is its own."""
    return float(((codes[one] @ codes[other].T).argmax(1) == np.arange(len(codes[one]))).mean())


def spaces(tie, **options) -> MultimodalRepresentation:
    encoders = ("mlp", {"hidden": (16,), "dropout": 0.0})
    return MultimodalRepresentation(
        tie=tie, **{"width": 4, "encoders": encoders, "training": QUICK} | options
    )


@pytest.mark.parametrize("tie", COORDINATED)
def test_rows_find_their_other_modality(tie):
    fitted = spaces(tie).fit(rows()[0])
    test = rows(100, 1)[0]
    codes = fitted.represent_each(test)
    assert recall(codes) > 0.2  # by chance .01; some .3 to .6 over seeds
    np.testing.assert_allclose(np.linalg.norm(codes["sound"], axis=1), 1)
    mean = fitted.represent(test)
    expected = codes["sound"] + codes["movement"]
    np.testing.assert_allclose(
        mean, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-12
    )


@pytest.mark.parametrize("tie", COORDINATED)
def test_modalities_may_be_missing_in_training_and_later(tie):
    fitted = spaces(tie).fit(rows(lacking=0.2)[0])
    test = rows(100, 1)[0]
    whole = fitted.represent_each(test)
    assert recall(whole) > 0.15
    alone = MultimodalData.of({"sound": test.numbers("sound")})
    np.testing.assert_allclose(fitted.represent(alone), whole["sound"], atol=1e-6)
    np.testing.assert_allclose(fitted.represent(test, ["sound"]), whole["sound"], atol=1e-6)
    assert not fitted.represent_each(alone)["movement"].any()
    nothing = fitted.represent(test.without("sound", "movement"))
    assert nothing.shape == (100, whole["sound"].shape[1])
    assert not nothing.any()


def test_cca_is_that_of_cca_zoo():
    linear = pytest.importorskip("cca_zoo.linear")
    data = rows()[0]
    fitted = spaces("cca", width=2).fit(data)
    cells = cells_of(data, fitted.inputs_)
    tables = {m: one.values.double().numpy() for m, one in cells.items()}
    theirs = linear.MCCA(n_components=2, shrinkage=0.1).fit([*tables.values()])
    for (modality, table), scores in zip(
        tables.items(), theirs.transform([*tables.values()]), strict=True
    ):
        mine = fitted.maps_.mapped(modality, table)
        for component in range(2):
            correlation = np.corrcoef(mine[:, component], scores[:, component])[0, 1]
            assert correlation == pytest.approx(1, abs=1e-9)
    pairs = zip(*(fitted.maps_.mapped(m, t).T for m, t in tables.items()), strict=True)
    for one, other in pairs:
        # A component's deviation is its correlation.
        assert one.std() == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-9)


def test_three_modalities_lie_in_one_space():
    fitted = spaces("contrastive").fit(rows(third=True)[0])
    codes = fitted.represent_each(rows(100, 1, third=True)[0])
    assert min(recall(codes, "sound", "pulse"), recall(codes, "pulse", "movement")) > 0.3


def test_a_joint_space_tells_the_causes_from_any_modality():
    fitted = MultimodalRepresentation("joint", width=16, training=QUICK | {"epochs": 25})
    train, causes = rows(lacking=0.2)
    test, truth = rows(200, 1)
    fitted.fit(train)
    inputs = np.c_[fitted.represent(train), np.ones(400)]
    weights = np.linalg.lstsq(inputs, causes, rcond=None)[0]
    for given in (None, ["sound"], ["movement"]):
        told = np.c_[fitted.represent(test, given), np.ones(200)] @ weights
        assert 1 - ((told - truth) ** 2).mean() / truth.var() > 0.7
    assert np.isfinite(fitted.represent(test.without("sound", "movement"))).all()
    with pytest.raises(LearningError, match="no part for each modality"):
        fitted.represent_each(test)


def test_the_seed_says_the_numbers_and_interruptions_do_not_change_them(tmp_path):
    data = rows(150)[0]
    options = {"losses": {"coral": 0.1}, "members": 2, "training": QUICK | {"epochs": 4}}
    first = spaces("contrastive", **options).fit(data).represent(data)
    kept = spaces("contrastive", **options, checkpoint=tmp_path)
    np.testing.assert_array_equal(kept.fit(data).represent(data), first)
    np.testing.assert_array_equal(kept.fit(data).represent(data), first)
    other = spaces("contrastive", **options, random_state=1).fit(data).represent(data)
    assert first.shape == (150, 8)
    assert abs(first - other).max() > 0.1


def test_rows_of_another_type_are_refused():
    with pytest.raises(LearningError, match=r"MultimodalData\.of .* return, not ndarray"):
        MultimodalRepresentation().fit(np.ones((3, 2)))


def test_what_cannot_be_tied_is_refused_by_name():
    data = rows()[0]
    sound, movement = data.numbers("sound").copy(), data.numbers("movement").copy()
    sound[:196], movement[204:] = np.nan, np.nan
    apart = MultimodalData.of({"sound": sound, "movement": movement})
    with pytest.raises(LearningError, match="'sound' is tied to no other modality: it has 8 rows"):
        spaces("contrastive").fit(apart)
    with pytest.raises(LearningError, match="two modalities or more: only 'sound'"):
        spaces("cosine", modalities=["sound"]).fit(data)
    with pytest.raises(LearningError, match="12 rows have all of sound, movement"):
        spaces("deep_cca", width=12).fit(data.rows(range(12)))
    steps = MultimodalData.of({
        "sound": [np.arange(k % 5 + 2.0)[:, None] for k in range(40)],
        "movement": data.numbers("movement")[:40],
    })  # fmt: skip
    with pytest.raises(LearningError, match="'sound' is of sequences"):
        spaces("cca").fit(steps)
    with pytest.raises(LearningError, match="tie"):
        spaces("glue").fit(data)
    with pytest.raises(NotFittedError):
        spaces("cca").represent(data)
    fitted = spaces("cca").fit(data)
    with pytest.raises(UnknownVariableError, match="'sond' was learned from; did you mean 'sound'"):
        fitted.represent(data, ["sond"])


def test_losses_may_be_objects():
    loss = 0.5 * Contrastive(0.2)
    fitted = spaces("cosine", losses=loss, training=QUICK | {"epochs": 2}).fit(rows(60)[0])
    assert fitted.represent(rows(5)[0]).shape == (5, 4)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ("contrastive", "'Contrastive' is between the codes of modalities"),
        (["masked_prediction", "coral"], "'Coral' is between the codes of modalities"),
        ("TripletMarginLoss", "'TripletMarginLoss' is of classes, and no row has a target"),
    ],
)
def test_a_joint_space_refuses_losses_that_have_nothing_to_compare(losses, message):
    with pytest.raises(LearningError, match=message):
        spaces("cosine", kind="joint", losses=losses).fit(rows(60)[0])


def test_a_joint_space_learns_hidden_cells():
    data, _ = rows(60)
    made = spaces("cosine", kind="joint", losses="masked_prediction", training={"epochs": 2})
    plain = spaces("cosine", kind="joint", training={"epochs": 2}).fit(data)
    assert np.abs(made.fit(data).represent(data) - plain.represent(data)).max() > 1e-4


def test_deep_cca_that_diverges_names_the_epoch():
    training = QUICK | {"learning_rate": 1e30, "warm_up_epochs": 0.0, "batch_size": 100}
    with pytest.raises(LearningError, match="diverged in epoch 1"):
        spaces("deep_cca", training=training).fit(rows(400)[0])
