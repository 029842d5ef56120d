"""Maps written: bands, numbers of any size and NaN survive; what cannot be held is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.reading import read_array, read_image
from mmgraph.spatial.images.writing import write_array, write_labels


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 1), (2, 3, 4, 5), (1, 3, 4, 2)])
def test_bands_survive(tmp_path: Path, suffix: str, shape: tuple[int, ...]):
    pytest.importorskip("nibabel" if "nii" in suffix else "tifffile")
    written = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    written[..., 1, 0] = np.nan
    write_array(tmp_path / f"map{suffix}", written, bands=True)
    read = read_image(tmp_path / f"map{suffix}", len(shape) - 1)
    np.testing.assert_array_equal(read, written)


@pytest.mark.parametrize("suffix", [".tif", ".nii"])
@pytest.mark.parametrize("top", [200, -200, 60_000, 70_000, -(2**40), 2**62])
def test_labels_of_any_size_survive(tmp_path: Path, suffix: str, top: int):
    pytest.importorskip("nibabel" if "nii" in suffix else "tifffile")
    labels = np.array([[0, 1], [2, top]])
    write_labels(tmp_path / f"labels{suffix}", labels)
    read = read_array(tmp_path / f"labels{suffix}", indices=True)
    np.testing.assert_array_equal(read, labels)
    assert read.dtype.kind in "iu"
    with pytest.raises(FormatError, match="18446744073709551615 is too large"):
        write_array(tmp_path / f"labels{suffix}", np.array([[2**64 - 1]], np.uint64))


def test_nan_is_no_data_to_gdal(tmp_path: Path):
    rasterio = pytest.importorskip("rasterio")
    pytest.importorskip("tifffile")
    write_array(tmp_path / "map.tif", np.array([[np.nan, 1.0]]))
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        file = rasterio.open(tmp_path / "map.tif")
    with file:
        assert np.isnan(file.nodata)
        assert file.read(1, masked=True).mask.tolist() == [[True, False]]


@pytest.mark.parametrize("name", ["map.jpg", "map.npz"])
def test_formats_that_are_only_read(tmp_path: Path, name: str):
    with pytest.raises(FormatError, match=r"are not written as .*use \.npy"):
        write_array(tmp_path / name, np.zeros((2, 2), int))
    with pytest.raises(FormatError, match="complex128 cannot be written"):
        write_array(tmp_path / "map.tif", np.zeros((2, 2), complex))


SUFFIXES = [".npy", ".tif", ".nii", ".nii.gz", ".png"]


def needs(suffix: str) -> None:
    if suffix != ".npy":
        pytest.importorskip({".tif": "tifffile", ".png": "PIL.Image"}.get(suffix, "nibabel"))


@pytest.mark.parametrize("suffix", SUFFIXES[:-1])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_a_mask_hides_is_nan(tmp_path: Path, suffix: str, kind: type):
    needs(suffix)
    masked = np.ma.MaskedArray(np.arange(6, dtype=kind).reshape(2, 3), np.eye(2, 3, dtype=bool))
    expected = [[np.nan, 1, 2], [3, np.nan, 5]]
    for array in (masked, list(masked)):
        write_array(tmp_path / f"map{suffix}", array)
        np.testing.assert_array_equal(read_array(tmp_path / f"map{suffix}", 2), expected)
    if suffix == ".npy":
        assert np.load(tmp_path / "map.npy").dtype == kind


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [int, bool])
def test_masked_whole_numbers_and_labels_are_refused(tmp_path: Path, suffix: str, kind: type):
    needs(suffix)
    hidden = np.eye(2, 3, dtype=bool)
    masked = np.ma.MaskedArray(np.arange(6).reshape(2, 3).astype(kind), hidden)
    match = rf"map\{suffix}.* a mask hides 2 of 6 numbers, the first at \(0, 0\)"
    path = tmp_path / f"map{suffix}"
    with pytest.raises(FormatError, match=match):
        write_array(path, masked)
    for colours in (None, ["#FF0000"] * 6):
        for labels in (masked, masked.astype(float)):
            with pytest.raises(FormatError, match=match):
                write_labels(path, labels, colours)
    assert not list(tmp_path.iterdir())
    write_labels(path, np.ma.MaskedArray(masked.data, False))
    np.testing.assert_array_equal(read_array(path), masked.data)


@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_shapes_that_are_no_map_are_named(tmp_path: Path, suffix: str):
    needs(suffix)
    path = tmp_path / f"map{suffix}"
    for array in ([1, 2], np.zeros((0, 3), int), np.zeros((2, 0), int), 7, np.zeros((2,) * 5)):
        for write in (write_array, write_labels):
            with pytest.raises(FormatError, match=rf"map\{suffix}: an array of shape \("):
                write(path, array)
        with pytest.raises(FormatError, match=r"an array of shape \("):
            write_labels(path, array, ["#FF0000"])
    with pytest.raises(FormatError, match=r"shape \(2, 3\).*and a last axis of bands"):
        write_array(path, np.zeros((2, 3)), bands=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_lists_are_written_and_what_holds_no_numbers_is_named(tmp_path: Path, suffix: str):
    needs(suffix)
    path = tmp_path / f"map{suffix}"
    for array in ([["a", "b"]], [[None, 1]], [[object()]]):
        with pytest.raises(FormatError, match="cannot be written; real numbers can"):
            write_array(path, array)
    with pytest.raises(FormatError, match="not an array of numbers"):
        write_array(path, [[1, 2], [3]])
    assert not list(tmp_path.iterdir())
    for write in (write_array, write_labels):
        write(path, [[1, 2], [3, 4]])
        np.testing.assert_array_equal(read_array(path), [[1, 2], [3, 4]])


@pytest.mark.parametrize("suffix", SUFFIXES[1:-1])
def test_numbers_beyond_single_precision_are_kept(tmp_path: Path, suffix: str):
    needs(suffix)
    path = tmp_path / f"map{suffix}"
    large = np.array([[1e60, -1e300], [np.nan, 0.1]])
    with warnings.catch_warnings(action="error"):
        write_array(path, large)
    np.testing.assert_array_equal(read_image(path)[..., 0], large)
    write_array(path, np.array([[3e38, np.inf]]))  # infinity is held by single precision
    assert read_array(path).dtype == np.float32
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        with pytest.raises(FormatError, match="too large to be written in double precision"):
            write_array(path, np.array([[1, 10]], np.longdouble) ** 400)
