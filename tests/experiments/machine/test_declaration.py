"""Declarations of Boltzmann machines: the ready ones, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmgraph.experiments.experiment import kind_of
from mmgraph.experiments.machine.declaration import ImputationDeclaration, read_machine
from mmgraph.graph.errors import FormatError
from tests.experiments.small_machine import DECLARATION


def test_a_declaration_is_read(tmp_path: Path):
    path = tmp_path / "shapes.toml"
    path.write_text(DECLARATION)
    read = read_machine(path)
    assert (read.name, read.title, read.dataset) == (
        "shapes",
        "Shapes and sounds",
        "digits_six_views",
    )
    assert read.modalities == ("picture", "tone")
    picture, tone = read.views
    assert (picture.hidden, picture.transform, picture.image) == ((10,), "one_scale", (3, 4))
    assert (tone.hidden, tone.transform, tone.image) == ((8,), "standardise", ())
    assert (read.network.joint, read.network.labels) == (12, "shape")
    assert read.fit["learning_rate"] == 0.02
    assert read.fit["prediction"]["hiding"] == {"everything": 0.4, "single": 0.4}
    assert read.report.given == (("picture", "tone"), ("picture",), ("tone",))
    assert read.report.imputations == (ImputationDeclaration("picture", ("tone",)),)
    assert read.report.representation


@pytest.mark.parametrize("name", ["digits_six_views", "home_activities_dbm"])
def test_the_ready_machines_are_read(name: str):
    assert kind_of(name) == "boltzmann_machine"
    read = read_machine(name)
    assert read.report.folds == 5
    assert read.report.given[0] == read.modalities


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[report]", "[reports]", "no place for 'reports'; did you mean 'report'"),
        ("[network]", "[net]", "no place for 'net'"),
        ('title = "Shapes and sounds"', "title = 3", "'title' must be of type str"),
        ("dataset =", "data_set =", r"\[data\] has 'data_set'; did you mean 'dataset'"),
        ('"digits_six_views"', '"digits_six_views"\ngroups = [1, 2]', "first row of each block"),
        ("joint = 12", "", r"\[network\] lacks 'joint'"),
        ("joint = 12", "joint = 0", r"\[network\] 'joint' must lie between 1"),
        ("joint = 12", "joint = true", r"\[network\] 'joint' cannot be True"),
        ("joint = 12", "joint = 12\npasses = 6", r"\[network\] has 'passes'"),
        ('labels = "shape"', 'labels = "tone"', "both called 'tone'"),
        ('label_links = "all"', 'label_links = "al"', "did you mean 'all'"),
        ('modality = "tone"', 'modality = "picture"', r"two \[\[view\]\] picture"),
        ("hidden = [10]", "hidden = 10", r"\[\[view\]\] picture 'hidden' cannot be 10; a list"),
        ("hidden = [10]", "hidden = [0]", "'hidden' must lie between 1"),
        ("hidden = [10]", "hiden = [10]", "did you mean 'hidden'"),
        ('"one_scale"', '"one_scales"', "did you mean 'one_scale'"),
        ("image = [3, 4]", "image = [12]", "a height and a width"),
        ("learning_rate", "learning_rat", "did you mean 'learning_rate'"),
        ("epochs = 12", 'epochs = "many"', "epochs must be a whole number"),
        ('"multi_prediction"', '"multi_predict"', "did you mean 'multi_prediction'"),
        ("gradient_sweeps = 3", "gradient_sweeps = 7", "must lie between 1 and 6"),
        ("everything = 0.4", "everything = 0.7", "shares of rows add up"),
        ("single = 0.4", "singel = 0.4", "did you mean 'single'"),
        ("noise = {", "nois = {", "did you mean 'noise'"),
        ("folds = 3", "folds = 1", "'folds' must lie between 2"),
        ("folds = 3", "fold = 3", "did you mean 'folds'"),
        ("seed = 0", "seed = 0.5", "'seed' must be of type int"),
        ('["tone"]]\n', '["ton"]]\n', "names the modality 'ton'; did you mean 'tone'"),
        ("representation = true", "representation = 1", "true or false"),
        ('imputed = "picture"', 'imputed = "tone"', "gives 'tone', which is to be imputed"),
        ('imputed = "picture"', 'imputed = "pictures"', "did you mean 'picture'"),
        ('impute = [{ imputed = "picture", given = ["tone"] }]', "impute = 3", "list of tables"),
    ],
)
def test_a_declaration_that_is_wrong(tmp_path: Path, old: str, new: str, message: str):
    assert old in DECLARATION
    path = tmp_path / "shapes.toml"
    path.write_text(DECLARATION.replace(old, new, 1))
    with pytest.raises(FormatError, match=message) as raised:
        read_machine(path)
    assert "shapes.toml" in str(raised.value)
