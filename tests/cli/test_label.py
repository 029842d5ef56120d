"""The command ``label``: maps and report in a directory, errors in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mmgraph.spatial.images.reading import read_array

FIXED = ("--edge-weight", "1", "--sensor-weight", "optical=1", "--method", "trws")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sensors, labels in four forms, a mask and names, in the current directory."""
    random = np.random.default_rng(0)
    truth = np.zeros((10, 12), int)
    truth[:, 6:] = 1
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "optical.npy", truth[..., None] + random.normal(0, 0.3, (10, 12, 2)))
    np.save(tmp_path / "radar.npy", truth + random.normal(0, 0.6, (10, 12)))
    labels = np.zeros((10, 12), np.uint8)
    labels[::3, ::3] = truth[::3, ::3] * 2 + 3
    np.save(tmp_path / "labels.npy", labels)
    names = {3: "water", 5: "woods"}
    lines = [f"{r},{c},{names[labels[r, c]]}" for r, c in np.argwhere(labels)]
    (tmp_path / "labels.csv").write_text("\n".join(["row,column,label", *lines]))
    (tmp_path / "names.txt").write_text("water\nwoods\n")
    mask = np.zeros((10, 12), np.uint8)
    mask[2:5, 2:5] = 1
    np.save(tmp_path / "cloud.npy", mask)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_maps_and_report(mmgraph, files: Path):
    code, out, err = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--sensor", "radar=radar.npy",
        "--labels", "labels.npy", "--missing", "radar=cloud.npy", *FIXED,
        "--sensor-weight", "radar=1", "--json",
    )  # fmt: skip
    assert code == 0
    assert err == "mmgraph: warning: sensor 'radar' does not see 9 of 120 pixels\n"
    report = json.loads(out)
    truth = np.load("truth.npy")
    labels = np.load("labelled/labels.npy")
    np.testing.assert_array_equal(labels, truth * 2 + 3)
    assert np.load("labelled/uncertainty.npy").shape == (10, 12)
    assert np.load("labelled/probabilities.npy").shape == (10, 12, 2)
    assert report["missing_pixels"] == {"optical": 0, "radar": 9}
    assert report["sensor_weights"] == {"optical": 1.0, "radar": 1.0}
    assert report["gap"] == pytest.approx(report["energy"] - report["lower_bound"])
    assert [row["value"] for row in report["classes"]] == [3, 5]
    assert [row["pixels"] for row in report["classes"]] == [60, 60]
    written = json.loads(Path("labelled/report.json").read_text())
    assert written == {k: v for k, v in report.items() if k != "files"}
    assert all(Path(file).is_file() for file in report["files"])
    pytest.importorskip("PIL")
    np.testing.assert_array_equal(read_array("labelled/labels.png", indices=True), labels)
    assert read_array("labelled/uncertainty.png").dtype == np.uint8


def test_a_table_of_places_and_learned_weights_for_people(mmgraph, files: Path):
    code, out, err = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--labels", "labels.csv",
        "--classes", "names.txt", "--method", "belief_propagation", "--output", "maps",
    )  # fmt: skip
    assert code == 0
    assert "woods" in out
    assert "weights: optical" in out
    assert ", temperature " in " ".join(out.split())
    assert "wrote maps/labels.npy" in err
    assert (np.load("maps/labels.npy") == np.load("truth.npy") + 1).mean() > 0.97


def test_a_weight_that_is_not_given_is_learned(mmgraph, files: Path):
    code, out, _ = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--sensor", "radar=radar.npy",
        "--labels", "labels.npy", *FIXED, "--json",
    )  # fmt: skip
    report = json.loads(out)
    assert code == 0
    assert report["sensor_weights"]["optical"] == 1.0
    assert report["held_out_log_loss"] > 0
    assert report["held_out_log_loss"] is not None
    assert report["temperature"] >= 1.0
    assert '"temperature"' in Path("labelled/report.json").read_text()


def test_numbers_in_a_table_and_in_an_image_mean_the_same(mmgraph, files: Path):
    labels = np.load("labels.npy").astype(int)
    labels[labels > 0] = (labels[labels > 0] - 1) // 2  # 1 and 2
    np.save("numbers.npy", labels)
    lines = [f"{r},{c},{labels[r, c]}" for r, c in np.argwhere(labels)]
    Path("numbers.csv").write_text("\n".join(["row,column,label", *lines]))
    reports = []
    for form in ("npy", "csv"):
        code, out, _ = mmgraph(
            "label", "--sensor", "optical=optical.npy", "--labels", f"numbers.{form}",
            "--classes", "names.txt", *FIXED, "--json", "--output", form,
        )  # fmt: skip
        assert code == 0
        reports.append(json.loads(out)["classes"])
    assert reports[0] == reports[1]
    assert [row["value"] for row in reports[0]] == [1, 2]
    found = np.load("csv/labels.npy")
    np.testing.assert_array_equal(found, np.load("npy/labels.npy"))
    assert (found == np.load("truth.npy") + 1).mean() > 0.97


def test_pictures(mmgraph, files: Path):
    pytest.importorskip("matplotlib")
    code, _, _ = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--labels", "labels.npy", *FIXED, "--picture"
    )
    assert code == 0
    for name in ("label_map.png", "uncertainty_map.png"):
        assert Path("labelled", name).read_bytes()[:4] == b"\x89PNG"


def test_strokes_in_colours(mmgraph, files: Path):
    pillow = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    truth = np.load("truth.npy")
    layer = np.zeros((10, 12, 4), np.uint8)
    layer[2:4, 1:5], layer[6:8, 7:11], layer[9, 2:4], layer[0, 8:10] = (
        (0, 0, 255, 255), (0, 128, 0, 255), (0, 0, 255, 255), (0, 128, 0, 255),
    )  # fmt: skip
    pillow.fromarray(layer).save("strokes.png")
    Path("colours.txt").write_text("#0000FF lake\n#008000 woods\n")
    common = ("label", "--sensor", "optical=optical.npy", "--labels", "strokes.png", *FIXED)
    code, out, err = mmgraph(*common, "--classes", "colours.txt", "--picture", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert [row["class"] for row in report["classes"]] == ["lake", "woods"]
    assert [row["colour"] for row in report["classes"]] == ["#0000FF", "#008000"]
    assert report["prior"] == {"lake": 0.5, "woods": 0.5}
    assert (np.load("labelled/labels.npy") == truth + 1).mean() > 0.97
    with pillow.open("labelled/labels.png") as image:
        painted = np.array(image.convert("RGB"))
    assert {tuple(colour) for colour in painted.reshape(-1, 3).tolist()} == {
        (0, 0, 255),
        (0, 128, 0),
    }
    assert Path("labelled/label_map.png").read_bytes()[:4] == b"\x89PNG"
    code, out, _ = mmgraph(*common)
    assert code == 0
    assert "#0000FF" in out
    assert "prior: even" in out


def test_the_prior_is_an_option(mmgraph, files: Path):
    common = ("label", "--sensor", "optical=optical.npy", "--labels", "labels.npy", "--json")
    priors = {}
    for text in ("even", "annotated", "auto", "0.2,0.6"):
        code, out, _ = mmgraph(*common, *FIXED, "--prior", text)
        assert code == 0
        priors[text] = json.loads(out)["prior"]
    assert priors["even"] == pytest.approx({"3": 0.5, "5": 0.5})
    assert priors["0.2,0.6"] == pytest.approx({"3": 0.25, "5": 0.75})
    assert priors["auto"] == priors["annotated"] == pytest.approx({"3": 0.5, "5": 0.5})


def test_unlabelled_is_a_number_or_a_colour(mmgraph, files: Path):
    pillow = pytest.importorskip("PIL.Image")
    labels = np.load("labels.npy")
    np.save("shifted.npy", np.where(labels == 0, 9, labels))
    code, _, _ = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--labels", "shifted.npy", *FIXED,
        "--unlabelled", "9",
    )  # fmt: skip
    assert code == 0
    found = np.load("labelled/labels.npy")
    paint = np.array([[90, 90, 90], [255, 0, 0], [0, 0, 0]], np.uint8)
    pillow.fromarray(paint[np.maximum(labels.astype(int) - 1, 0) // 2]).save("grey.png")
    code, _, _ = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--labels", "grey.png", *FIXED,
        "--unlabelled", "#5A5A5A", "--output", "coloured",
    )  # fmt: skip
    assert code == 0
    swapped = np.load("coloured/labels.npy")  # black comes before red
    np.testing.assert_array_equal(swapped == 2, found == 3)


def test_without_pillow_the_arrays_are_written(
    mmgraph, files: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, _, _ = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--labels", "labels.npy", *FIXED
    )
    assert code == 0
    written = sorted(path.name for path in Path("labelled").iterdir())
    assert written == ["labels.npy", "probabilities.npy", "report.json", "uncertainty.npy"]


def test_volumes_keep_their_orientation(mmgraph, files: Path):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    truth = np.zeros((8, 6, 3), np.int16)
    truth[4:] = 1
    scan = truth + np.random.default_rng(0).normal(0, 0.05, truth.shape)
    labels = np.zeros_like(truth)
    labels[::3, ::2, 1] = truth[::3, ::2, 1] + 1
    for name, array in (("scan", scan.astype(np.float32)), ("labels", labels)):
        Path(f"{name}.nii").write_bytes(nibabel.Nifti1Image(array, affine).to_bytes())
    code, _, err = mmgraph(
        "label", "--sensor", "optical=scan.nii", "--labels", "labels.nii", *FIXED
    )
    assert (code, "Error" in err) == (0, False)
    written = nibabel.load("labelled/labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), truth + 1)
    np.testing.assert_array_equal(written.affine, affine)
    assert not Path("labelled/labels.png").exists()
    report = json.loads(Path("labelled/report.json").read_text())
    assert report["spacing"] == [5.0, 2.0, 2.0]
    for name, bands in (("uncertainty", ()), ("probabilities", (2,))):
        written = nibabel.load(f"labelled/{name}.nii.gz")
        assert written.shape == (8, 6, 3, *bands)
        np.testing.assert_array_equal(written.affine, affine)
        stored = np.load(f"labelled/{name}.npy").transpose(2, 1, 0, *range(3, 3 + len(bands)))
        np.testing.assert_allclose(written.get_fdata(), stored, rtol=1e-6, atol=1e-7)


def test_files_that_lie_elsewhere_are_told_of(mmgraph, files: Path):
    nibabel = pytest.importorskip("nibabel")
    scan, labels = np.load("optical.npy")[..., 0].T[..., None], np.load("labels.npy").T[..., None]
    for name, array, across in (
        ("scan", scan, 2.0),
        ("same", labels, 2.0),
        ("turned", labels, -2.0),
    ):
        image = nibabel.Nifti1Image(array, np.diag([across, 2.0, 5.0, 1.0]))
        Path(f"{name}.nii").write_bytes(image.to_bytes())
    for name in ("same", "turned"):
        code, _, err = mmgraph(
            "label", "--sensor", "optical=scan.nii", "--labels", f"{name}.nii", *FIXED
        )
        told = "the pixels of turned.nii lie elsewhere than those of scan.nii" in err
        assert (code, told) == (0, name == "turned")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_is_labelled_as_an_image(mmgraph, files: Path, axis: int):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    truth, scan = np.load("truth.npy"), np.load("optical.npy")[..., 0]
    labels = np.zeros_like(truth)
    labels[::3, ::3] = truth[::3, ::3] + 1
    for name, array in (("scan", scan), ("labels", labels.astype(np.int16))):
        stored = np.expand_dims(array.T, axis)
        Path(f"{name}.nii").write_bytes(nibabel.Nifti1Image(stored, affine).to_bytes())
    code, _, err = mmgraph(
        "label", "--sensor", "optical=scan.nii", "--labels", "labels.nii", *FIXED
    )
    assert (code, "Error" in err) == (0, False)
    written = nibabel.load("labelled/labels.nii.gz")
    found = np.load("labelled/labels.npy")
    assert (found == truth + 1).mean() > 0.95
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.expand_dims(found.T, axis))
    np.testing.assert_array_equal(written.affine, affine)
    assert nibabel.load("labelled/probabilities.nii.gz").shape == (*written.shape, 2)
    report = json.loads(Path("labelled/report.json").read_text())
    assert report["size"] == [10, 12]
    assert report["spacing"] == np.delete([2.0, 3.0, 5.0], axis)[::-1].tolist()


def test_maps_of_a_geotiff_lie_where_it_does(mmgraph, files: Path):
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("tifffile")
    place = rasterio.Affine(30, 0, 101985, 0, -10, 2826915)
    bands = np.moveaxis(np.load("optical.npy"), -1, 0).astype(np.float32)
    bands[:, 0, 0] = -9999
    with rasterio.open(
        "scene.tif", "w", "GTiff", 12, 10, 2, "EPSG:32618", place, "float32", -9999, compress="lzw"
    ) as file:
        file.write(bands)
    code, out, _ = mmgraph(
        "label", "--sensor", "radar=radar.npy", "--sensor", "optical=scene.tif",
        "--labels", "labels.npy", *FIXED, "--sensor-weight", "radar=1", "--json",
    )  # fmt: skip
    assert code == 0
    report = json.loads(out)
    assert report["missing_pixels"] == {"radar": 0, "optical": 1}
    assert report["spacing"] == [10.0, 30.0]
    for name in ("labels", "uncertainty", "probabilities"):
        with rasterio.open(f"labelled/{name}.tif") as file:
            assert file.crs.to_epsg() == 32618
            assert file.transform == place
            stored = np.load(f"labelled/{name}.npy")
            read = np.moveaxis(file.read(), 0, -1).reshape(stored.shape)
            np.testing.assert_allclose(read, stored, rtol=1e-6, atol=1e-7)
    assert (np.load("labelled/labels.npy") == np.load("truth.npy") * 2 + 3).mean() > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--sensor optical=nowhere.npy --labels labels.npy", "there is no file nowhere.npy"),
        ("--sensor optical --labels labels.npy", "expected NAME=VALUE, found 'optical'"),
        ("--sensor a=optical.npy --sensor a=radar.npy --labels labels.npy", "'a' is given twice"),
        ("--sensor a=small.npy --labels labels.npy", "small.npy 2 x 3, labels.npy 10 x 12"),
        ("--sensor a=radar.npy --labels labels.npy --missing b=cloud.npy", "no sensor 'b'"),
        ("--sensor a=radar.npy --labels labels.npy --edge-weight many", "found 'many'"),
        ("--sensor a=radar.npy --labels labels.npy --unary svn", "did you mean 'svm'"),
        ("--sensor a=radar.npy --labels labels.npy --method trw", "did you mean 'trws'"),
        ("--sensor a=radar.npy --labels labels.npy --classes names.txt", "label 3, which is no"),
        ("--sensor a=radar.npy --labels labels.csv --classes more.txt", "labelled as 'sand'"),
        ("--sensor a=objects.npy --labels labels.npy", "no readable NumPy array"),
        ("--sensor a=radar.npy --labels labels.npy --output names.txt", "is a file and no dir"),
        ("--sensor a=radar.npy --labels labels.npy --prior evn", "did you mean 'even'"),
        ("--sensor a=radar.npy --labels labels.npy --prior 1,2,3", "must be 2 positive numbers"),
        ("--sensor a=radar.npy --labels labels.npy --unlabelled white", "unlabelled one is a num"),
        ("--sensor a=radar.npy --labels one.npy", "one class only, '4'"),
        ("--sensor a=radar.npy --labels grey.npy", "say which colour is unlabelled"),
        ("--labels labels.npy", "--sensor"),
    ],
)
def test_errors_take_one_line(mmgraph, files: Path, arguments: str, message: str):
    np.save("small.npy", np.zeros((2, 3)))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save("one.npy", np.eye(10, 12, dtype=np.uint8) * 4)
    np.save("grey.npy", np.full((10, 12, 3), 90, np.uint8))
    Path("more.txt").write_text("water\nwoods\nsand\n")
    fixed = [] if "--method" in arguments else ["--method", "trws"]
    fixed += [] if "--edge" in arguments else ["--edge-weight", "1"]
    code, out, err = mmgraph("label", *arguments.split(), *fixed)
    assert code == 2
    assert out == ""
    assert err.startswith("mmgraph: ")
    assert err.count("\n") == 1
    assert message in err


def test_an_empty_name_is_no_directory(mmgraph, files: Path):
    before = sorted(files.iterdir())
    code, _, err = mmgraph(
        "label", "--sensor", "optical=optical.npy", "--labels", "labels.npy", *FIXED, "--output", ""
    )
    assert code == 2
    assert err == "mmgraph: the name of a directory is empty; '.' is the current one\n"
    assert sorted(files.iterdir()) == before
    code, _, err = mmgraph("run", "home_activities", "--output", "")
    assert code == 2
    assert "the name of a directory is empty" in err


def test_a_slice_of_labels_beside_a_volume_is_told_with_both_sizes(mmgraph, files: Path):
    pytest.importorskip("nibabel")
    from mmgraph.spatial.images.writing import write_array

    write_array("volume.nii.gz", np.random.default_rng(0).normal(size=(8, 36, 40)))
    write_array("slice.nii", np.eye(36, 40, dtype=np.uint8))
    code, _, err = mmgraph("label", "--sensor", "a=volume.nii.gz", "--labels", "slice.nii")
    assert code == 2
    assert "slice.nii is an image of 36 x 40, and volume.nii.gz a volume of 8 x 36 x 40" in err
    write_array("labels.nii", np.eye(36, 40, dtype=np.uint8)[None].repeat(8, 0))
    np.save("slice.npy", np.ones((36, 40)))
    code, _, err = mmgraph("label", "--sensor", "a=slice.npy", "--labels", "labels.nii")
    assert code == 2
    assert "labels.nii is a volume of 8 x 36 x 40, and slice.npy an image of 36 x 40" in err


def test_axes_in_reverse_are_told(mmgraph, files: Path):
    pytest.importorskip("nibabel")
    from mmgraph.spatial.images.writing import write_array

    write_array("labels.nii", np.eye(6, 7, dtype=np.uint8)[None].repeat(4, 0))
    np.save("sensor.npy", np.random.default_rng(0).normal(size=(7, 6, 4)))
    code, _, err = mmgraph("label", "--sensor", "a=sensor.npy", "--labels", "labels.nii")
    assert code == 2
    assert "7 x 6 x 4, labels.nii 4 x 6 x 7; sensor.npy has the axes of labels.nii in rev" in err


def test_a_grey_background_is_suggested_by_the_option(mmgraph, files: Path):
    pytest.importorskip("PIL")
    from PIL import Image

    drawn = np.full((10, 12, 3), 128, np.uint8)
    drawn[2], drawn[6] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(drawn).save("strokes.png")
    given = ("label", "--sensor", "optical=optical.npy", "--labels", "strokes.png", *FIXED)
    code, _, err = mmgraph(*given)
    assert code == 2
    assert "--unlabelled '#808080'" in err
    code, _, _ = mmgraph(*given, "--unlabelled", "#808080")
    assert code == 0
