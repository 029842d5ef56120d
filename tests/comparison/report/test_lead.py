"""The sentences that stand first follow from made-up numbers, and contrast splits."""

import re

import pytest

from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.report.lead import lead
from tests.comparison.report import made_up

SOUND, MOVEMENT = (("sound",), ("movement",))


def told(shares, *, groups=0, grouped=None):
    """What is said of models that are right in shares of rows, by model and modalities."""
    splits = [(made_up.split_rows(), shares)]
    if grouped is not None:
        splits.append((made_up.split_rows(groups=groups, split="grouped"), grouped))
    answers = [
        made_up.answers(model, share, rows, given)
        for rows, by_model in splits
        for (model, given), share in by_model.items()
    ]
    rows = tuple(rows for rows, _ in splits)
    about = made_up.about(groups="patient" if groups else None)
    return lead(ComparisonReport(about, rows, tuple(answers)))


def shares(network, late_fusion, sound):
    both = made_up.MODALITIES
    return {("network", both): network, ("late_fusion", both): late_fusion,
            ("late_fusion", SOUND): sound, ("late_fusion", MOVEMENT): 0.5}  # fmt: skip


def test_splits_are_contrasted_where_models_differ_most_between_them():
    text = told(shares(0.8, 0.9, 0.85), groups=20, grouped=shares(0.78, 0.75, 0.55))
    assert text.startswith("Rows belong together (patient): believe the split 'grouped'")
    contrast = r"late_fusion given sound: log-loss 0\.52\d at random and (0\.99\d|1\.00\d) for new"
    assert re.search(f"What differs most is {contrast}", text)
    assert re.search(r"accuracy 0\.8\d\d and 0\.5\d\d\. ", text)
    assert re.search(r"network has the lowest log-loss for new groups, 0\.\d+ \(0\.\d+ to", text)
    assert "; at random late_fusion is the best, 0.39" in text
    assert len(re.findall(r"\.(?: |$)", text)) == 5


def test_the_best_of_both_splits_may_be_one_and_nothing_may_differ():
    text = told(shares(0.7, 0.8, 0.6), groups=20, grouped=shares(0.75, 0.85, 0.65))
    assert "No model has a higher log-loss there." in text
    assert "; at random it is the best, 0.639" in text


@pytest.mark.parametrize(
    ("network", "late_fusion", "sound", "graphical", "fusion"),
    [
        (0.7, 0.9, 0.6, "is worse than the best deep model, late_fusion, in", "is better than"),
        (0.9, 0.8, 0.6, "is better than the best deep model, late_fusion, in", "is better than"),
        (0.8, 0.805, 0.9, "cannot be told apart from the best deep", "is worse than"),
        (0.7, 0.8, 0.8, "is worse than the best deep", "cannot be told apart from"),
    ],
)
def test_graphical_and_deep_models_and_fusion_and_its_best_part(
    network, late_fusion, sound, graphical, fusion
):
    text = told(shares(network, late_fusion, sound))
    assert "believe" not in text
    assert f"The best graphical model, network, {graphical}" in text
    assert f"Fusion by late_fusion {fusion} its best part (sound) in log-loss," in text


def test_what_was_not_compared_is_not_mentioned():
    text = told({("network", made_up.MODALITIES): 0.8})
    assert text.count(".") < 12
    assert "deep" not in text
    assert "Fusion" not in text
    assert "Given sound and movement, network has the lowest log-loss, 0.639 (" in text
