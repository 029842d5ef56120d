"""Deep fusion as a classifier: missing modalities, members, powers, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import mmgraph as mm
from mmgraph.graph.errors import FormatError, LearningError, MmgraphError
from mmgraph.networks.boltzmann.answers import PriorWarning
from tests.predictors.test_machine_classifier import MODALITIES, log_loss, patients

SMALL = {"members": 2, "width": 16, "training": {"epochs": 15, "batch_size": 32}}


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["early", "late", "joint", "network"])
def test_one_net_tells_by_any_modality(fusion):
    clf = mm.DeepClassifier(MODALITIES, fusion=fusion, **SMALL).fit(*patients())
    frame, labels = patients(300, seed=1)
    for given in (None, ["clinical"], ["genes"]):
        assert log_loss(clf.predict_proba(frame, given), labels) < (0.5 if given is None else 0.65)
        names = MODALITIES if given is None else given
        columns = [c for m in names for c in MODALITIES[m]]
        np.testing.assert_allclose(
            clf.predict_proba(frame[columns]), clf.predict_proba(frame, given), atol=1e-12
        )


def test_answers_are_the_mean_of_the_members_and_repeat():
    frame, labels = patients()
    clf = mm.DeepClassifier(MODALITIES, fusion="joint", folds=0, **SMALL).fit(frame, labels)
    again = clone(clf).fit(frame, labels)
    table = clf.predict_proba(frame)
    np.testing.assert_array_equal(again.predict_proba(frame), table)
    other = clone(clf).set_params(random_state=1).fit(frame, labels)
    assert np.abs(other.predict_proba(frame) - table).max() > 1e-3
    assert clf.net_.net.design.members == 2


@pytest.mark.slow
def test_other_losses_are_made_small_beside_that_of_the_task(tmp_path):
    frame, labels = patients()
    options = {"members": 2, "width": 8, "fusion": "joint", "folds": 0}
    training = {"epochs": 3}
    plain = mm.DeepClassifier(MODALITIES, training=training, **options).fit(frame, labels)
    losses = {"reconstruction": 0.5, "masked_prediction": 0.5, "contrastive": 0.1}
    training = {**training, "losses": losses | {"TripletMarginLoss": 0.1}}
    clf = mm.DeepClassifier(MODALITIES, training=training, **options).fit(frame, labels)
    again = clone(clf).fit(frame, labels).predict_proba(frame)
    np.testing.assert_array_equal(again, clf.predict_proba(frame))
    assert np.abs(again - plain.predict_proba(frame)).max() > 1e-3
    clf.save(tmp_path / "m.mmgraph")
    read = mm.read(tmp_path / "m.mmgraph")
    assert read.training == training
    np.testing.assert_array_equal(read.predict_proba(frame), again)


@pytest.mark.slow
def test_a_checkpoint_holds_each_net_and_is_gone_on_from(tmp_path):
    frame, labels = patients()
    options = {**SMALL, "checkpoint": tmp_path}
    clf = mm.DeepClassifier(MODALITIES, **options).fit(frame, labels)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all", "part_0", "part_1"]
    again = mm.DeepClassifier(MODALITIES, **options).fit(frame, labels)
    np.testing.assert_array_equal(again.predict_proba(frame), clf.predict_proba(frame))
    with pytest.raises(FormatError, match=r"the parameter .* was"):
        mm.DeepClassifier(MODALITIES, **options | {"width": 8}).fit(frame, labels)


def test_rows_of_which_nothing_is_there_get_the_shares():
    frame, labels = patients()
    frame.loc[::3, MODALITIES["genes"]] = np.nan
    frame.loc[1::3, MODALITIES["clinical"]] = np.nan
    frame.loc[:4] = np.nan
    clf = mm.DeepClassifier(MODALITIES, folds=0, **SMALL).fit(frame, labels)
    with pytest.warns(PriorWarning):
        table = clf.predict_proba(frame[:5])
    np.testing.assert_allclose(table, np.tile([0.5, 0.5], (5, 1)), atol=0.01)
    test, truth = patients(300, seed=1)
    assert log_loss(clf.predict_proba(test), truth) < 0.55


@pytest.mark.parametrize("folds", [0, 2])
def test_rows_whose_cells_do_not_vary_get_the_shares(folds):
    frame, labels = patients(400)
    unbalanced = np.r_[np.flatnonzero(labels == "ill"), np.flatnonzero(labels == "well")[:40]]
    frame, labels = frame.iloc[unbalanced].copy(), labels[unbalanced]
    frame["hospital"], names = "north", {**MODALITIES, "place": ["hospital"]}
    names["genes"] = [*names.pop("place"), *names["genes"]]
    clf = mm.DeepClassifier(names, folds=folds, **SMALL).fit(frame, labels)
    test = frame[:3].copy()
    test[frame.columns.drop("hospital")] = np.nan
    np.testing.assert_allclose(clf.predict_proba(test), np.tile([5 / 6, 1 / 6], (3, 1)), atol=1e-9)


def test_a_class_without_rows_takes_nothing_of_the_powers():
    frame, labels = patients(400)
    few = {"members": 2, "width": 16, "training": {"epochs": 3, "learning_rate": 1e-3}}
    genes = frame[MODALITIES["genes"]].to_numpy()
    state = mm.MultimodalData.of({"genes": genes}, np.r_[labels[:-1], ["dead"]])
    clf = mm.DeepClassifier(fusion="joint", **few).fit(state.rows(np.arange(399)))
    table = clf.predict_proba(state)
    assert clf._powers_of(("genes",)) > 1.2
    assert not table[:, state.target.labels.index("dead")].any()
    np.testing.assert_allclose(table.sum(1), 1.0)


@pytest.mark.slow
def test_powers_are_learned_with_the_shares_that_each_net_has_seen():
    frame, labels = patients(240)
    order = np.argsort(labels, kind="stable")
    groups = np.repeat([0, 1, 2], 80)  # all ill, half, all well
    clf = mm.DeepClassifier(MODALITIES, folds=3, **SMALL)
    clf.fit(frame.iloc[order], labels[order], groups=groups)
    shares = sorted(model.prior[0] for model, _ in clf._held_out)
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "latte"}, "the fusion is none of .*'latte'"),
        ({"encoders": "mlpp"}, "the encoder of 'clinical' is none of .*'mlpp'"),
        ({"encoders": {"sound": "mlp"}}, "no modality 'sound' to be encoded"),
        ({"encoders": "cnn"}, "'cnn' does not take the rows of 'clinical'"),
        ({"training": {"epoch": 3}}, "no option 'epoch'"),
        ({"training": {"hiding": 2.0}}, "hiding must lie in"),
        ({"training": {"losses": ["coral", "cosin"]}}, "not 'cosin'; did you mean 'cosine'"),
        ({"training": {"losses": ["coral"]}, "fusion": "early"}, "early fusion makes no codes"),
        ({"folds": 1}, "two folds or more, or none"),
        ({"members": 0}, "members"),
        ({"width": "a"}, "width must be a whole number"),
        ({"fusion": ("low_rank", {"ranks": 2})}, "'low_rank' has no option 'ranks'; did you mean"),
        ({"fusion": ("low_rank", {"rank": 0})}, "rank must be a whole number"),
        ({"fusion": ("joint", {"dropout": 2.0})}, "dropout must lie in"),
        ({"fusion": ("late", {"pool": "mean"})}, "pool"),
        ({"width": 0}, "width"),
    ],
)
def test_unknown_options_are_named(options, message):
    with pytest.raises(LearningError, match=message):
        mm.DeepClassifier(MODALITIES, **options).fit(*patients())


@pytest.mark.parametrize("device", ["foo", "cuda:77"])
def test_devices_that_are_not_there_are_named(device):
    with pytest.raises(MmgraphError, match=f"device '{device}'"):
        mm.DeepClassifier(MODALITIES, device=device).fit(*patients())


def test_a_class_of_one_row_has_no_powers():
    frame, labels = patients()
    labels = np.r_[labels[:-1], ["dead"]]
    with pytest.raises(LearningError, match=r"the class 'dead' has one row, .* folds=0"):
        mm.DeepClassifier(MODALITIES, **SMALL).fit(frame, labels)
    mm.DeepClassifier(MODALITIES, **SMALL, folds=0).fit(frame, labels)


def test_late_answers_are_averaged_and_the_average_is_tempered(tmp_path):
    frame, labels = patients()
    clf = mm.DeepClassifier(MODALITIES, fusion=("late", {"pool": "average"}), **SMALL)
    assert clf.fit(frame, labels).independent_ == (("clinical", "genes"),)
    average = clf.net_.probabilities(clf._held_out[0][1], clf.told_)
    tempered = clf._posterior(clf._held_out[0][1], clf.told_)
    log_odds = [np.log(table[:, 0] / table[:, 1]) for table in (average, tempered)]
    assert np.corrcoef(*log_odds)[0, 1] > 0.999
    clf.save(tmp_path / "late.mmgraph")
    read = mm.read(tmp_path / "late.mmgraph")
    assert read.fusion == clf.fusion
    np.testing.assert_array_equal(read.predict_proba(frame), clf.predict_proba(frame))


def test_options_reach_the_fusion():
    fusion = ("low_rank", {"rank": 3, "dropout": 0.0})
    clf = mm.DeepClassifier(MODALITIES, fusion=fusion, folds=0, **SMALL).fit(*patients())
    assert clf.net_.net.fusion.rank == 3
    assert clf.net_.net.design.dropout == 0.0


def test_early_fusion_takes_summaries_of_sequences(tmp_path):
    draws, labels = np.random.default_rng(0), np.arange(60) % 2
    sound = [draws.normal(y, 0.3, (6 + i % 3, 2)) for i, y in enumerate(labels)]
    data = mm.MultimodalData.of({"sound": sound, "lab": draws.normal(size=(60, 2))}, labels)
    clf = mm.DeepClassifier(fusion="early", folds=0, **SMALL).fit(data)
    table = clf.predict_proba(data)
    assert (table.argmax(1) == labels).mean() > 0.9
    clf.save(tmp_path / "early.mmgraph")
    np.testing.assert_array_equal(mm.read(tmp_path / "early.mmgraph").predict_proba(data), table)


@parametrize_with_checks(
    [mm.DeepClassifier(members=2, width=8, training={"epochs": 10}, folds=0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "rows are dealt into batches as they are",
    },
)
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


@pytest.mark.parametrize("encoder", ["cnn", "rnn"])
def test_feature_maps_and_hidden_states_are_merged_by_name(encoder):
    draws, labels = np.random.default_rng(0), np.arange(40) % 2
    data = mm.MultimodalData.of(
        {
            "sound": [draws.normal(y, 0.3, (6 + i % 3, 2)) for i, y in enumerate(labels)],
            "lab": draws.normal(labels[:, None], 1.0, (40, 2)),
        },
        labels,
    )
    name, training = f"multimodal_{encoder}", {"epochs": 3}
    clf = mm.DeepClassifier(fusion=name, members=1, width=8, folds=0, training=training)
    design = clf.fit(data).net_.net.design
    assert design.fusion == "joint"
    assert [kind for kind, _ in design.encoders.values()] == [encoder, "mlp"]


@pytest.mark.parametrize("name", ["cnn", "rnn", "transformer"])
def test_options_of_encoders_reach_them(name):
    draws, labels = np.random.default_rng(0), np.arange(24) % 2
    sequences = [draws.normal(y, 0.3, (6 + i % 3, 3)) for i, y in enumerate(labels)]
    data = mm.MultimodalData.of({"wrist": sequences}, labels)
    options = {"speed": 0.2, "shift": 0.1, "scaling": 0.1, "rotation": 5.0, "dropout": 0.0}
    clf = mm.DeepClassifier(
        encoders={"wrist": (name, options)}, members=1, width=8, folds=0, training={"epochs": 1}
    )
    changes = clf.fit(data).net_.net.encoders[0].stem.changes
    assert (changes.shift, changes.angle) == (0.1, np.radians(5.0))
    with pytest.raises(LearningError, match=rf"'{name}' of 'wrist': speed must lie"):
        clone(clf).set_params(encoders={"wrist": (name, {"speed": -1})}).fit(data)
