"""Labels of a few pixels, from arrays, images and tables; what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.annotations.annotations import (
    Annotations,
    AnnotationWarning,
    read_annotations,
    read_classes,
)
from mmgraph.spatial.annotations.tables import table_dimensions
from mmgraph.spatial.images.writing import write_array, write_labels


def test_numbers_that_occur_are_the_classes():
    read = Annotations.of([[0, 3, -1], [7, 3, 0]])
    assert read.classes == ("0", "3", "7")
    assert read.values == (0, 3, 7)
    np.testing.assert_array_equal(read.codes, [[0, 1, -1], [2, 1, 0]])


def test_names_skip_the_unlabelled_number():
    read = Annotations.of([[0, 1], [2, 0]], ["water", "woods"], unlabelled=0)
    assert read.values == (1, 2)
    np.testing.assert_array_equal(read.codes, [[-1, 0], [1, -1]])
    read = Annotations.of([[0, 2], [1, 1]], ["water", "woods"], unlabelled=1)
    assert read.values == (0, 2)
    np.testing.assert_array_equal(read.codes, [[0, 1], [-1, -1]])


def test_nan_is_unlabelled_and_fractions_are_refused():
    read = Annotations.of([[np.nan, 1.0]])
    np.testing.assert_array_equal(read.codes, [[-1, 0]])
    with pytest.raises(FormatError, match=r"label at \(0, 1\) is 1.5"):
        Annotations.of([[0.0, 1.5]])


def test_a_number_without_a_name_is_named():
    with pytest.raises(FormatError, match=r"pixel at \(0, 1\) has the label 3.*0 a, 1 b"):
        Annotations.of([[0, 3]], ["a", "b"])
    with pytest.raises(FormatError, match="'a' is there twice"):
        Annotations.of([[0, 1]], ["a", "a"])
    with pytest.raises(FormatError, match="one whole number a pixel"):
        Annotations.of([0, 1])


def test_an_image_of_indices(tmp_path: Path):
    np.save(tmp_path / "labels.npy", np.array([[0, 2], [1, 0]]))
    read = read_annotations(tmp_path / "labels.npy")
    assert read.classes == ("1", "2")
    np.testing.assert_array_equal(read.codes, [[-1, 1], [0, -1]])
    pillow = pytest.importorskip("PIL.Image")
    tifffile = pytest.importorskip("tifffile")
    deep = np.zeros((2, 2, 3), np.uint16)
    tifffile.imwrite(tmp_path / "colours.tif", deep, photometric="rgb")
    with pytest.raises(FormatError, match=r"colours\.tif has 3 bands of uint16; labels are one"):
        read_annotations(tmp_path / "colours.tif")
    pillow.fromarray(np.ones((2, 2), np.uint8)).save(tmp_path / "labels.jpg")
    with pytest.raises(FormatError, match=r"labels\.jpg is a JPEG file, which is lossy"):
        read_annotations(tmp_path / "labels.jpg")


def test_what_a_file_hides_is_unlabelled(tmp_path: Path):
    pillow = pytest.importorskip("PIL.Image")
    tifffile = pytest.importorskip("tifffile")
    numbers = np.array([[0, 1], [2, 255]], np.uint8)
    tags = [(42113, "s", 0, "255", False)]
    tifffile.imwrite(tmp_path / "labels.tif", numbers, photometric="minisblack", extratags=tags)
    with_alpha = np.stack([numbers, 255 * (numbers < 255)], -1).astype(np.uint8)
    pillow.fromarray(with_alpha).save(tmp_path / "labels.png")
    for name in ("labels.tif", "labels.png"):
        with pytest.warns(AnnotationWarning, match="so that 0 is a class; .* unlabelled=0"):
            read = read_annotations(tmp_path / name)
        assert read.classes == ("0", "1", "2")
        np.testing.assert_array_equal(read.codes, [[0, 1], [2, -1]])
        read = read_annotations(tmp_path / name, unlabelled=0)
        assert read.classes == ("1", "2")
        np.testing.assert_array_equal(read.codes, [[-1, 0], [1, -1]])
        named = read_annotations(tmp_path / name, ["water", "woods"])  # names of 1 and 2 alone
        np.testing.assert_array_equal(named.codes, read.codes)
        with pytest.warns(AnnotationWarning):
            named = read_annotations(tmp_path / name, ["sand", "water", "woods"])
        np.testing.assert_array_equal(named.codes, [[0, 1], [2, -1]])
    tifffile.imwrite(tmp_path / "zero.tif", numbers, extratags=[(42113, "s", 0, "0", False)])
    with pytest.warns(AnnotationWarning, match="255 beside"):  # of 0, which is hidden, nothing
        assert read_annotations(tmp_path / "zero.tif").classes == ("1", "2", "255")
    tifffile.imwrite(tmp_path / "none.tif", numbers % 255 % 3, extratags=tags)
    assert read_annotations(tmp_path / "none.tif").classes == ("1", "2")  # nothing is hidden


@pytest.mark.parametrize("name", ["labels.tif", "labels.npy", "labels.nii.gz"])
def test_nan_in_a_file_leaves_zero_a_class(tmp_path: Path, name: str):
    pytest.importorskip("tifffile")
    pytest.importorskip("nibabel")
    numbers = np.array([[0.0, 1.0, np.nan], [2.0, np.nan, 0.0]])
    write_array(tmp_path / name, numbers)
    with pytest.warns(AnnotationWarning, match="0 is a class"):
        read = read_annotations(tmp_path / name)
    np.testing.assert_array_equal(read.codes, Annotations.of(numbers).codes)
    assert read.classes == ("0", "1", "2")


@pytest.mark.parametrize("name", ["labels.tif", "labels.npy", "labels.nii.gz"])
def test_minus_one_in_a_file_means_what_it_means_in_an_array(tmp_path: Path, name: str):
    pytest.importorskip("tifffile")
    pytest.importorskip("nibabel")
    numbers = np.array([[0, 1, -1], [2, -1, 0]])
    write_labels(tmp_path / name, numbers)
    with pytest.warns(AnnotationWarning, match="-1 stands for no label, .* 0 is a class"):
        read = read_annotations(tmp_path / name)
    np.testing.assert_array_equal(read.codes, numbers)
    assert read.values == (0, 1, 2)
    given = read_annotations(tmp_path / name, unlabelled=0)
    assert given.values == (-1, 1, 2)
    with pytest.warns(AnnotationWarning):
        assert read_annotations(tmp_path / name, ["a", "b", "c"]).codes.tolist() == numbers.tolist()


def test_minus_one_in_a_table_means_no_label(tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text("row,column,label\n0,0,0\n0,1,1\n0,2,-1\n")
    with pytest.warns(AnnotationWarning, match="1 of 3 pixels have the number -1"):
        read = read_annotations(table, shape=(1, 4))
    np.testing.assert_array_equal(read.codes, [[0, 1, -1, -1]])
    assert read.classes == ("0", "1")


def test_an_array_where_a_file_is_meant_is_told_apart():
    with pytest.raises(FormatError, match=r"given ndarray; .* Annotations\.of\(array\)"):
        read_annotations(np.zeros((2, 2), int))
    with pytest.raises(FormatError, match=r"given list"):
        read_annotations([[0, 1]])


def test_a_fraction_is_no_whole_number():
    with pytest.raises(FormatError, match=r"label at \(0, 1\) is 0\.5, which is no whole number"):
        Annotations.of([[0.0, 0.5]])


def test_a_table_of_places(tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text("row,column,label\n0,1,woods\n1,0,water\n1,1,\n")
    read = read_annotations(table, shape=(2, 2))
    assert read.classes == ("woods", "water")
    assert read.values == (1, 2)
    np.testing.assert_array_equal(read.codes, [[-1, 0], [1, -1]])
    assert read_annotations(table, ["water", "woods"], shape=(2, 2)).codes[0, 1] == 1
    assert table_dimensions(table) == 2
    table.write_text("slice,row,column,label\n0,0,1,5\n")
    assert table_dimensions(table) == 3
    read = read_annotations(table, shape=(1, 1, 2))
    assert read.values == (5,)
    np.testing.assert_array_equal(read.codes, [[[-1, 0]]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,colum,label\n", "line 1: no column 'column'.*did you mean 'colum'"),
        ("row,column,label\n0,x,woods\n", "line 2: the column is 'x'"),
        ("row,column,label\n0,0,a\n5,0,woods\n", r"line 3: the row 5 lies outside"),
        ("row,column,label\n0,0,a\n0,0,b\n", r"line 3: the pixel \(0, 0\) is 'b' here and 'a'"),
        ("row,column,label\n0,0,wods\n", "label 'wods'.*did you mean 'woods'"),
        ("", "found nothing"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, message: str):
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_annotations(table, ["woods", "a", "b"], shape=(2, 2))


def test_class_names_from_a_file(tmp_path: Path):
    (tmp_path / "names.txt").write_text("water\n\n woods \n")
    assert read_classes(tmp_path / "names.txt") == ("water", "woods")
    (tmp_path / "names.txt").write_text("\n")
    with pytest.raises(FormatError, match="there are none"):
        read_classes(tmp_path / "names.txt")


@pytest.mark.parametrize("unlabelled", [-1, 0, 1])
@pytest.mark.parametrize("classes", [None, ["water", "woods", "town"]])
def test_numbers_in_a_table_are_those_of_an_image(
    tmp_path: Path, unlabelled: int, classes: list[str] | None
):
    image = np.full((2, 3), unlabelled)
    places = {(0, 1): 2, (1, 0): 3 if unlabelled >= 0 else 0, (1, 2): 2}
    for place, number in places.items():
        image[place] = number
    np.save(tmp_path / "labels.npy", image)
    lines = [f"{row},{column},{number}" for (row, column), number in places.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["row,column,label", *lines]))
    drawn = read_annotations(tmp_path / "labels.npy", classes, unlabelled=unlabelled)
    listed = read_annotations(tmp_path / "labels.csv", classes, unlabelled=unlabelled, shape=(2, 3))
    np.testing.assert_array_equal(listed.codes, drawn.codes)
    assert (listed.classes, listed.values) == (drawn.classes, drawn.values)


def test_names_that_look_like_numbers_are_names(tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text("row,column,label\n0,0,1\n0,1,3\n")
    read = read_annotations(table, ["1", "2", "3"], shape=(1, 3))
    np.testing.assert_array_equal(read.codes, [[0, 2, -1]])
    assert read.values == (1, 2, 3)
    table.write_text("row,column,label\n0,0,2019\n0,1,2020\n")
    read = read_annotations(table, ["2020", "2019"], unlabelled=1, shape=(1, 2))
    np.testing.assert_array_equal(read.codes, [[1, 0]])
    assert read.values == (0, 2)
    table.write_text("row,column,label\n0,0,1\n0,1,4\n")
    with pytest.raises(FormatError, match=r"pixel at \(0, 1\) has the label 4"):
        read_annotations(table, ["1", "2", "3"], shape=(1, 2))


def test_rows_with_the_unlabelled_number_are_told(tmp_path: Path):
    table = tmp_path / "labels.csv"
    table.write_text("row,column,label\n0,0,0\n0,1,1\n")
    with pytest.warns(AnnotationWarning, match="1 of 2 pixels have the number 0"):
        read = read_annotations(table, shape=(1, 2))
    np.testing.assert_array_equal(read.codes, [[-1, 0]])
    read = read_annotations(table, unlabelled=-1, shape=(1, 2))
    assert read.classes == ("0", "1")
    table.write_text(f"row,column,label\n0,0,{'9' * 30}\n")
    with pytest.raises(FormatError, match=r"pixel \(0, 0\) is too large"):
        read_annotations(table, shape=(1, 2))


def test_the_largest_number_of_an_unsigned_type_is_no_class_by_accident(tmp_path: Path):
    wrapped = np.array([[0, 1, 2], [0, 3, 0]], np.uint8) - 1
    with pytest.raises(
        FormatError, match=r"255 beside the classes 0 to 2 .* say unlabelled=255 .*--unlabelled 255"
    ):
        Annotations.of(wrapped)
    read = Annotations.of(wrapped, unlabelled=255)
    np.testing.assert_array_equal(read.codes, [[-1, 0, 1], [-1, 2, -1]])
    assert Annotations.of(wrapped.astype(int)).classes == ("0", "1", "2", "255")
    assert Annotations.of(np.array([[0, 255]], np.uint8)).classes == ("0", "255")
    assert Annotations.of(np.array([[7, 9, 255]], np.uint8)).classes == ("7", "9", "255")
    np.save(tmp_path / "labels.npy", np.array([[0, 1, 2, 255]], np.uint8))
    with pytest.warns(AnnotationWarning, match="255 beside the classes 1 to 2"):
        assert read_annotations(tmp_path / "labels.npy").classes == ("1", "2", "255")


def test_numbers_that_do_not_fit_are_refused():
    for large in (np.array([[0, 2**63]], np.uint64), np.array([[0.0, 1e300]]), [[0, 10**30]]):
        with pytest.raises(FormatError, match="too large"):
            Annotations.of(large)
    with pytest.raises(FormatError, match=r"label at \(0, 1\) is inf"):
        Annotations.of([[0.0, np.inf]])
    for wrong in ("white", 1.5, True):
        with pytest.raises(FormatError, match="the unlabelled one is a number"):
            Annotations.of([[0, 1]], unlabelled=wrong)


def test_names_by_colour_from_a_file(tmp_path: Path):
    (tmp_path / "names.txt").write_text("#ff0000 tiled roof\nwhite snow\n")
    assert read_classes(tmp_path / "names.txt") == {"#ff0000": "tiled roof", "white": "snow"}
    (tmp_path / "names.txt").write_text("#FF0000 roof\n#ff0000 wall\n")
    with pytest.raises(FormatError, match="'#FF0000' is there twice"):
        read_classes(tmp_path / "names.txt")
    (tmp_path / "names.txt").write_text("white snow\nwoods\n")
    assert read_classes(tmp_path / "names.txt") == ("white snow", "woods")
    with pytest.raises(FormatError, match="named in order"):
        Annotations.of([[0, 1]], {"#FF0000": "roof"})
    (tmp_path / "labels.csv").write_text("row,column,label\n0,0,a\n")
    with pytest.raises(FormatError, match="holds no colours"):
        read_annotations(tmp_path / "labels.csv", {"#FF0000": "roof"}, shape=(1, 1))
