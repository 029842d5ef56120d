"""Maps written: bands, numbers of any size and NaN survive; what cannot be held is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images import read_array, read_image, write_array, write_labels


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
