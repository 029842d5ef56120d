"""Folders of image files as rows: classes, modalities, what is skipped, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import mmgraph as mm
from mmgraph.data.images.folder import SkippedFilesWarning
from mmgraph.graph.errors import FormatError, LearningError, MemoryBudgetError


def draw(
    path: Path, grey: int = 0, size: tuple[int, int] = (3, 4), colour: bool = False
) -> np.ndarray:
    """Write an image whose first pixel is so bright, and return it."""
    pixels = np.full((*size, 3) if colour else size, 100, np.uint8)
    pixels[0, 0] = grey
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_sub_folder_is_a_class_and_a_file_a_row(tmp_path):
    names = ["c 9/x10.png", "c 9/x9.PNG", "c 10/a.bmp", "c 10/b.tif"]
    for value, name in enumerate(names):
        draw(tmp_path / name, value)
    data = mm.MultimodalData.of_folder(tmp_path)
    assert data.row_names.tolist() == ["c 9/x9.PNG", "c 9/x10.png", "c 10/a.bmp", "c 10/b.tif"]
    assert data.modalities == ("image",)
    assert data.block("image").values.shape == (4, 3, 4, 1)
    np.testing.assert_allclose(
        data.block("image").values[:, 0, 0, 0] * 255, [1, 0, 2, 3], atol=1e-4
    )
    assert data.target.name == "class"
    assert data.target.labels == ("c 9", "c 10")
    assert data.codes.tolist() == [0, 0, 1, 1]
    assert data.origin == str(tmp_path)


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=5, unique=True))
def test_rows_are_in_the_order_of_their_numbers(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("images")
    for number in numbers:
        draw(folder / f"scan {number}.png", size=(1, 1))
    names = mm.MultimodalData.of_folder(str(folder)).row_names
    assert names.tolist() == [f"scan {number}.png" for number in sorted(numbers)]


def test_names_and_targets_are_called_as_asked(tmp_path):
    draw(tmp_path / "cat" / "1.png")
    draw(tmp_path / "dog" / "1.png")
    data = mm.MultimodalData.of_folder(tmp_path, modality="photo", target="animal")
    assert data.modalities == ("photo",)
    assert data.target.name == "animal"


def test_files_alone_have_no_target(tmp_path):
    draw(tmp_path / "1.png")
    data = mm.MultimodalData.of_folder(tmp_path)
    assert data.outcome is None
    assert data.row_names.tolist() == ["1.png"]


def modalities_in(folder: Path) -> None:
    for value, name in enumerate(["ct/ill/1.png", "ct/well/2.png", "ct/well/3.png"]):
        draw(folder / name, value)
    draw(folder / "mri/well/3.bmp", size=(2, 2), colour=True)
    draw(folder / "mri/ill/4.bmp", size=(2, 2), colour=True)


def test_modalities_are_joined_by_class_and_name(tmp_path):
    modalities_in(tmp_path)
    data = mm.MultimodalData.of_folder(tmp_path)
    assert data.row_names.tolist() == ["ill/1", "ill/4", "well/2", "well/3"]
    assert data.modalities == ("ct", "mri")
    assert data.block("ct").missing.tolist() == [False, True, False, False]
    assert data.block("mri").missing.tolist() == [True, False, True, False]
    assert data.block("mri").values.shape == (4, 2, 2, 3)
    assert data.codes.tolist() == [0, 0, 1, 1]


def test_modalities_that_are_named(tmp_path):
    modalities_in(tmp_path)
    alone = mm.MultimodalData.of_folder(tmp_path, modalities="mri")
    assert alone.row_names.tolist() == ["ill/4", "well/3"]
    assert mm.MultimodalData.of_folder(tmp_path, modalities=["mri", "ct"]).modalities == (
        "mri",
        "ct",
    )
    for name in ("1.png", "2.png"):
        draw(tmp_path / "flat" / "left" / name)
    draw(tmp_path / "flat" / "right" / "2.png")
    flat = mm.MultimodalData.of_folder(tmp_path / "flat", modalities=["left", "right"])
    assert flat.outcome is None
    assert flat.block("right").missing.tolist() == [True, False]
    with pytest.raises(FormatError, match="no images in a folder 'mrt'; did you mean 'mri'"):
        mm.MultimodalData.of_folder(tmp_path, modalities=["mrt"])
    with pytest.raises(LearningError, match=r"no modality of .* is named"):
        mm.MultimodalData.of_folder(tmp_path, modalities=[])


def test_parts_of_data_are_no_modalities(tmp_path):
    for part, name in (("train", "1"), ("train", "2"), ("test", "3")):
        draw(tmp_path / part / "cat" / f"{name}.png")
    with pytest.raises(LearningError, match=r"no row of .* is in two of the folders test, train"):
        mm.MultimodalData.of_folder(tmp_path)
    assert len(mm.MultimodalData.of_folder(tmp_path / "train")) == 2
    assert len(mm.MultimodalData.of_folder(tmp_path, modalities=["train", "test"])) == 3


def test_what_is_no_image_is_skipped_and_counted(tmp_path):
    draw(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "notes.txt").write_text("a cat")
    (tmp_path / "cat" / "._1.png").write_text("left by a copy")
    (tmp_path / ".cache").mkdir()
    draw(tmp_path / ".cache" / "1.png", size=(9, 9))
    (tmp_path / "dog").mkdir()
    with pytest.warns(SkippedFilesWarning) as caught:
        data = mm.MultimodalData.of_folder(tmp_path)
    assert data.row_names.tolist() == ["cat/1.png"]
    (message,) = [str(one.message) for one in caught]
    assert message.endswith(
        "4 skipped, which are hidden, too deep, no images, or folders without any: .cache, "
        "cat/._1.png, cat/notes.txt, dog"
    )
    assert caught[0].filename == __file__


def test_images_that_differ(tmp_path):
    first = draw(tmp_path / "1.png", 200, (4, 4))
    draw(tmp_path / "2.png", 200, (2, 6))
    with pytest.raises(LearningError, match=r"1\.png has .*\(4, 4, 1\), .*2\.png has \(2, 6, 1\)"):
        mm.MultimodalData.of_folder(tmp_path)
    values = mm.MultimodalData.of_folder(tmp_path, size=(2, 2)).block("image").values
    assert values.shape == (2, 2, 2, 1)
    assert values.min() >= 0
    assert values.max() <= 1
    assert values[0, 1, 1, 0] == pytest.approx(100 / 255)  # all there are alike
    assert first.mean() / 255 > values[0, 0, 0, 0] * 0.5 > 0
    draw(tmp_path / "2.png", 200, (4, 4), colour=True)
    with pytest.raises(LearningError, match=r"2\.png has \(4, 4, 3\); .*colour=True or False"):
        mm.MultimodalData.of_folder(tmp_path)
    for colour, channels in ((True, 3), (False, 1)):
        values = mm.MultimodalData.of_folder(tmp_path, colour=colour).block("image").values
        assert values.shape == (2, 4, 4, channels)
        np.testing.assert_allclose(values[0], values[1], atol=1e-6)


def test_a_resized_image_is_its_average(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (32, 32)).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    value = mm.MultimodalData.of_folder(tmp_path, size=(1, 1)).block("image").values.item()
    assert value == pytest.approx(pixels.mean() / 65535, abs=0.05)


@pytest.mark.parametrize("size", [3, (3,), (0, 3), (2.5, 3), "32"])
def test_sizes_that_are_none(tmp_path, size):
    draw(tmp_path / "1.png")
    with pytest.raises(LearningError, match="size is"):
        mm.MultimodalData.of_folder(tmp_path, size=size)


def test_files_that_cannot_be_read_are_named(tmp_path):
    draw(tmp_path / "1.png")
    whole = draw(tmp_path / "2.png", size=(50, 50)).size
    content = (tmp_path / "2.png").read_bytes()
    assert len(content) < whole
    for damaged in (b"no image", content[:-30]):
        (tmp_path / "2.png").write_bytes(damaged)
        with pytest.raises(FormatError, match=r"2\.png \(row 1\) cannot be read as an image"):
            mm.MultimodalData.of_folder(tmp_path, size=(3, 4))


def test_folders_that_are_none(tmp_path):
    with pytest.raises(FormatError, match=r"there is no folder .*nowhere"):
        mm.MultimodalData.of_folder(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="is empty"):
        mm.MultimodalData.of_folder(tmp_path)
    (tmp_path / "rows.csv").write_text("a\n1\n")
    with pytest.raises(FormatError, match=r"has no images \(\.bmp"):
        mm.MultimodalData.of_folder(tmp_path)
    with pytest.raises(FormatError, match=r"rows\.csv is no folder"):
        mm.MultimodalData.of_folder(tmp_path / "rows.csv")


def test_files_at_different_depths(tmp_path):
    draw(tmp_path / "1.png")
    draw(tmp_path / "cat" / "2.png")
    with pytest.raises(FormatError, match=r"1\.png and cat/2\.png"):
        mm.MultimodalData.of_folder(tmp_path)
    (tmp_path / "1.png").unlink()
    draw(tmp_path / "cat" / "a" / "b" / "c" / "3.png")
    with pytest.warns(SkippedFilesWarning, match=r"1 skipped, .*: cat/a/b/c"):
        assert len(mm.MultimodalData.of_folder(tmp_path)) == 1
    draw(tmp_path / "cat" / "a" / "b" / "4.png")
    with (
        pytest.raises(FormatError, match=r"4\.png lies deeper"),
        pytest.warns(SkippedFilesWarning),
    ):
        mm.MultimodalData.of_folder(tmp_path)


def test_a_link_that_leads_back_ends(tmp_path):
    draw(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    with (
        pytest.raises(FormatError, match=r"again/1\.png lies deeper"),
        pytest.warns(SkippedFilesWarning),
    ):
        mm.MultimodalData.of_folder(tmp_path)


def test_two_files_of_one_row(tmp_path):
    modalities_in(tmp_path)
    draw(tmp_path / "ct" / "ill" / "1.bmp")
    with pytest.raises(FormatError, match=r"1\.bmp and .*1\.png are both the row 'ill/1'"):
        mm.MultimodalData.of_folder(tmp_path)


def test_memory_is_asked_for_before_it_is_taken(tmp_path):
    for name in "ab":
        draw(tmp_path / f"{name}.png")
    with pytest.raises(MemoryBudgetError, match=r"2 images of .*\(2000000, 1000000, 1\) would"):
        mm.MultimodalData.of_folder(tmp_path, size=(2_000_000, 1_000_000))


def test_names_of_rows_go_along(tmp_path):
    modalities_in(tmp_path)
    data = mm.MultimodalData.of_folder(tmp_path)
    some = data.rows(np.array([2, 0]))
    assert some.row_names.tolist() == ["well/2", "ill/1"]
    assert data.join(some).row_names.tolist()[-2:] == ["well/2", "ill/1"]
    assert data.to_frame().index.tolist() == data.row_names.tolist()
    assert data.without("ct").row_names.tolist() == data.row_names.tolist()


def test_classifiers_learn_from_a_folder(tmp_path):
    random = np.random.default_rng(0)
    for row in range(20):
        label = ("dark", "light")[row % 2]
        pixels = np.clip(random.normal(80 + 60 * (row % 2), 20, (2, 2)), 0, 255)
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / label / f"{row}.png")
    data = mm.MultimodalData.of_folder(tmp_path)
    clf = mm.MultimodalClassifier(leaves=("trees",), folds=2, n_jobs=1).fit(data)
    assert clf.classes_.tolist() == ["dark", "light"]
    assert (clf.predict(data) == clf.classes_[data.codes]).mean() > 0.9
    new = mm.MultimodalData.of_folder(tmp_path / "light")
    assert (clf.predict(new) == "light").mean() > 0.9
