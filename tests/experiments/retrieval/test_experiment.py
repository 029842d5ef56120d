"""Ready searches on made drawings: what they report, draw, and go on from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.cli.runs import print_searches
from mmgraph.experiments.experiment import kind_of, run
from mmgraph.experiments.retrieval.declaration import read_retrieval
from mmgraph.experiments.retrieval.experiment import job
from mmgraph.experiments.retrieval.side_tasks import vendors_assigned
from mmgraph.experiments.retrieval.stored_features import stored_features
from mmgraph.graph.errors import DatasetError, FormatError, MmgraphError

CLIP_ART = """[data]\ndataset = "open_clip_art"
[validation]\nfolds = 3\nsplits = ["grouped", "artists"]
[report]\nbeside = ["kernel_cca"]\ntasks = ["alignment", "all_sets"]\npictures_with = ["red"]
queries = ["red disc"]"""
EMOJI = """[data]\ndataset = "emoji"\nlanguages = ["en", "zh"]
[validation]\nfolds = 3\nsplits = ["grouped"]\n[report]\ntasks = ["vendors"]"""


def declared(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f'kind = "retrieval"\n{text}\n')
    return path


@pytest.mark.parametrize("name", ["clip_art_search", "emoji_search"])
def test_ready_searches_are_declared(name):
    assert kind_of(name) == "retrieval"
    assert read_retrieval(name).image[0] == "efficientnet_lite0"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('splits = ["artist"]', FormatError, "did you mean 'artists'"),
        ('splits = ["artists"]', DatasetError, "cannot be split by artists; splits are grouped"),
        ('[report]\nbeside = ["ca"]', FormatError, "beside = 'ca'; did you mean 'cca'"),
        ('[report]\ntasks = ["vendor"]', FormatError, "did you mean 'vendors'"),
    ],
)
def test_what_is_not_there_is_named(drawings, tmp_path, text, error, message):
    path = declared(tmp_path, f'[data]\ndataset = "tux_paint_stamps"\n[validation]\n{text}')
    with pytest.raises(error, match=message):
        job(path, None)


def test_there_are_no_more_folds_than_declared(drawings, tmp_path):
    with pytest.raises(MmgraphError, match="there are 3 folds, not 4"):
        job(declared(tmp_path, EMOJI), None).steps(4)


def test_features_are_made_once(drawings, monkeypatch):
    pictures = [np.full((8, 8, 3), shade, np.uint8) for shade in (0, 99)]
    told = []
    made = stored_features(pictures, "pixels", lambda *done: told.append(done))
    assert told == [(100, "pixels of 2 pictures")]
    monkeypatch.setattr("mmgraph.experiments.retrieval.stored_features.image_features", None)
    assert (stored_features(pictures, "pixels", print) == made).all()


def test_drawings_are_assigned_whatever_features_come_in(drawings, tmp_path):
    data = job(declared(tmp_path, EMOJI), None).data
    things = np.random.default_rng(0).normal(size=(72, 5))
    questions, shown = vendors_assigned(data, np.concatenate([things, 3 * things + 1]), [2, 3])
    assert questions["assigned partner of google in twitter"]["recall_at_1"].all()
    assert (shown.matrix.argmax(1) == np.arange(len(shown.rows))).all()


def test_what_has_no_picture_is_in_no_fold(drawings, tmp_path):
    made = job(declared(tmp_path, EMOJI), None)
    made.data.pictures[:100] = [None] * 100
    training, test = made.fold(made.data, "grouped", 0)
    assert sorted([*training, *test]) == list(range(100, 144))


@pytest.mark.slow
def test_clip_art_is_found_and_an_interrupted_run_goes_on(drawings, tmp_path, capsys, rendered):
    path, directory = declared(tmp_path, CLIP_ART), tmp_path / "out"
    report = run(path, directory)
    rows = {(r["split"], r["model"], r["question"]): r for r in report["results"]}
    for model in ("cca", "kernel_cca"):
        assert rows["grouped", model, "text to picture"]["recall_at_10"] > 0.9
    for key in (
        ("grouped", "cca", "tag to pictures"),
        ("artists", "cca", "tag to pictures"),
        ("grouped", "alignment by EM", "tag to pictures"),
        ("grouped", "cca of all sets", "pictures with 'red'"),
    ):
        assert rows[key]["average_precision"] > 0.9 > rows[key]["average_precision_by_chance"]
    asked = rows["grouped", "cca", "text to picture"]
    assert asked["queries"] == rows["artists", "cca", "text to picture"]["queries"] == 72
    assert asked["log_loss"] < asked["prior_log_loss"]
    both = rows["grouped", "cca", "both to the other half"]
    alone = rows["grouped", "cca", "half of the words to the other half"]
    gain = both["recall_at_10"] - alone["recall_at_10"]
    assert both["gain_over_words"] == pytest.approx(gain)
    assert report["words"][-1] == "The 4 tags that are asked for: blue, green, grey, red."
    assert all((directory / f"{n}.png").stat().st_size > 9999 for n in ("hits", "space"))
    print_searches(report["results"], "mine")
    assert "Split artists, pictures by pixels:" in capsys.readouterr().out
    (directory / "steps" / "all_sets-2.safetensors").unlink()
    assert run(path, directory)["results"] == report["results"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:probabilities of pairs")  # of drawings that are alike
def test_emoji_are_found_in_two_languages(drawings, tmp_path):
    report = run(declared(tmp_path, EMOJI), folds=1)
    assert report["folds"] == {"run": 1, "declared": 3}
    rows = {r["question"]: r for r in report["results"]}
    assert rows["text to picture (en)"]["recall_at_10"] > 0.9
    assert rows["picture to text (zh)"]["recall_at_10"] > 0.9
    assert rows["same hits in en and zh"]["overlap"] > 0.7
    assert rows["assigned partner of google in twitter"]["recall_at_1"] > 0.3
    assert rows["picture to another drawing"]["recall_at_10"] > 0.9
