"""NIfTI files: nibabel's own read as nibabel reads them, and axes are what they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.reading import read_array, read_georeference, read_image, read_raster

nibabel = pytest.importorskip("nibabel")

DATA = Path(nibabel.__file__).parent / "tests" / "data"
FILES = [
    "anatomical.nii",
    "example4d.nii.gz",
    "example_nifti2.nii.gz",
    "functional.nii",
    "reoriented_anat_moved.nii",
    "resampled_anat_moved.nii",
    "standard.nii.gz",
]


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    content = nibabel.Nifti1Image(array, affine, dtype=array.dtype).to_bytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", FILES)
def test_files_of_nibabel_read_as_nibabel_reads_them(name: str):
    if not (DATA / name).is_file():
        pytest.skip("nibabel came without its tests")
    image = nibabel.load(DATA / name)
    expected = image.get_fdata()
    expected = expected.transpose(2, 1, 0, *range(3, expected.ndim))
    found = read_image(DATA / name, 3)
    np.testing.assert_array_equal(found, expected.reshape(*expected.shape[:3], -1))
    place = read_georeference(DATA / name, 3)
    assert place is not None
    assert place.size == expected.shape[:3]
    sizes = nibabel.affines.voxel_sizes(image.affine)
    np.testing.assert_allclose(place.spacing, sizes[::-1])


def test_surfaces_are_no_images():
    if not (DATA / "row_major.dconn.nii").is_file():
        pytest.skip("nibabel came without its tests")
    with pytest.raises(FormatError, match=r"row_major\.dconn\.nii holds CIFTI data"):
        read_image(DATA / "row_major.dconn.nii", 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("bands", [(), (1,), (6,), (1, 2)])
def test_one_slice_is_an_image_whichever_axis_it_lacks(
    tmp_path: Path, axis: int, bands: tuple[int, ...]
):
    size = [4, 5, 7]
    size[axis] = 1
    stored = np.random.default_rng(0).normal(size=(*size, *bands))
    path = save(tmp_path / "slice.nii.gz", stored, np.diag([2.0, 3, 5, 1]))
    count = int(np.prod(bands))
    volume = stored.reshape(*size, count).transpose(2, 1, 0, 3)
    np.testing.assert_array_equal(read_image(path, 3), volume)
    np.testing.assert_array_equal(read_image(path), volume.squeeze(2 - axis))
    np.testing.assert_array_equal(
        read_array(path), volume.squeeze(2 - axis)[..., 0 if count == 1 else slice(None)]
    )
    image, whole = read_georeference(path, 2), read_georeference(path, 3)
    assert image is not None
    assert whole is not None
    assert whole.spacing == (5, 3, 2)
    assert image.spacing == tuple(np.delete([5.0, 3, 2], 2 - axis))
    assert image.size == volume.squeeze(2 - axis).shape[:2]


def test_a_plane_is_an_image_or_a_volume_of_one_slice(tmp_path: Path):
    stored = np.arange(12, dtype=np.int16).reshape(4, 3)
    path = save(tmp_path / "plane.nii", stored)
    np.testing.assert_array_equal(read_image(path)[..., 0], stored.T)
    np.testing.assert_array_equal(read_image(path, 3)[..., 0], stored.T[None])


def test_several_slices_are_no_image(tmp_path: Path):
    path = save(tmp_path / "scan.nii", np.zeros((4, 3, 2, 5), np.float32))
    with pytest.raises(FormatError, match=r"scan\.nii: 2 slices of 3 x 4 voxels; an image"):
        read_image(path)
    assert read_image(path, 3).shape == (2, 3, 4, 5)


def test_colours_are_bands_and_alpha_is_none(tmp_path: Path):
    kind = np.dtype([(name, "u1") for name in "RGBA"])
    stored = np.zeros((4, 3, 2), kind)
    stored["G"] = np.arange(24).reshape(4, 3, 2)
    stored["A"] = 255
    stored["A"][3, 1, 0] = 0
    image = read_image(save(tmp_path / "colours.nii", stored), 3)
    assert image.shape == (2, 3, 4, 3)
    assert np.argwhere(np.isnan(image[..., 0])).tolist() == [[0, 1, 3]]
    np.testing.assert_array_equal(image[1, ..., 1], stored["G"][..., 1].T)
    opaque = stored[["R", "G", "B"]].astype([(name, "u1") for name in "RGB"])
    raster = read_raster(save(tmp_path / "opaque.nii", opaque), 3)
    assert raster.has_bands
    assert raster.hidden is None
    np.testing.assert_array_equal(raster.values[..., 1], stored["G"].T)


def test_scaled_numbers_and_either_order_of_bytes(tmp_path: Path):
    stored = np.arange(24, dtype=">i2").reshape(4, 3, 2)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    image = nibabel.Nifti1Image(stored, np.eye(4), header)
    image.header.set_slope_inter(0.5, -1)
    (tmp_path / "scaled.nii").write_bytes(image.to_bytes())
    expected = nibabel.Nifti1Image.from_bytes(image.to_bytes()).get_fdata().T
    np.testing.assert_array_equal(read_image(tmp_path / "scaled.nii", 3)[..., 0], expected)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_ends_early_is_named(tmp_path: Path, share: float):
    stored = np.random.default_rng(0).normal(size=(9, 8, 7))
    content = save(tmp_path / "whole.nii", stored).read_bytes()
    (tmp_path / "short.nii").write_bytes(content[: int(share * len(content))])
    packed = gzip.compress(content)
    (tmp_path / "short.nii.gz").write_bytes(packed[: int(share * len(packed))])
    for name in ("short.nii", "short.nii.gz"):
        with pytest.raises(FormatError, match=name):
            read_image(tmp_path / name, 3)


def test_complex_numbers_are_refused(tmp_path: Path):
    path = save(tmp_path / "phase.nii", np.zeros((2, 2, 2), np.complex64))
    with pytest.raises(FormatError, match=r"phase\.nii holds complex64, and not real numbers"):
        read_image(path, 3)
