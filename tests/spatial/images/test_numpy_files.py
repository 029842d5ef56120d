"""NumPy's files: any layout of real numbers is read, and nothing is unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError
from mmgraph.spatial.images.reading import read_array, read_image

VALUES = np.random.default_rng(0).integers(-100, 100, (3, 4, 2)) / 4


@pytest.mark.parametrize("kind", [">f8", ">f4", "<f2", ">f2", "g", ">i2", "<u4", ">i8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_layout_is_read(tmp_path: Path, kind: str, order: str):
    stored = np.asarray(VALUES.astype(kind), order=order)
    np.save(tmp_path / "image.npy", stored)
    np.testing.assert_array_equal(read_image(tmp_path / "image.npy"), stored.astype(float))
    array = read_array(tmp_path / "image.npy")
    assert array.dtype.isnative
    assert array.dtype.itemsize <= 8
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, stored)


def test_reversed_arrays_are_read(tmp_path: Path):
    np.save(tmp_path / "image.npy", VALUES[::-1, ::-2])
    np.testing.assert_array_equal(read_image(tmp_path / "image.npy"), VALUES[::-1, ::-2])


def test_what_double_precision_cannot_hold_is_missing(tmp_path: Path):
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip("long doubles are doubles here")
    np.save(tmp_path / "image.npy", np.array([[1, 2]], np.longdouble) * np.longdouble("1e400"))
    assert np.isnan(read_image(tmp_path / "image.npy")).all()


def test_one_packed_array_is_read_and_several_are_named(tmp_path: Path):
    np.savez_compressed(tmp_path / "image.npz", VALUES)
    np.testing.assert_array_equal(read_image(tmp_path / "image.npz"), VALUES)
    np.savez(tmp_path / "images.npz", optical=VALUES, radar=VALUES)
    with pytest.raises(FormatError, match=r"images\.npz holds 2 arrays \(optical, radar\)"):
        read_image(tmp_path / "images.npz")
    np.savez(tmp_path / "none.npz")
    with pytest.raises(FormatError, match=r"none\.npz holds 0 arrays"):
        read_image(tmp_path / "none.npz")
    np.savez(tmp_path / "objects.npz", np.array([{}], dtype=object))
    with pytest.raises(FormatError, match=r"objects\.npz is no readable NumPy array"):
        read_image(tmp_path / "objects.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_file_that_ends_early_is_named(tmp_path: Path, suffix: str):
    (np.save if suffix == "npy" else np.savez)(tmp_path / f"whole.{suffix}", VALUES)
    content = (tmp_path / f"whole.{suffix}").read_bytes()
    for size in range(0, len(content) - 1, 7):
        (tmp_path / f"short.{suffix}").write_bytes(content[:size])
        with pytest.raises(FormatError, match=rf"short\.{suffix} is no readable NumPy array"):
            read_image(tmp_path / f"short.{suffix}")


def test_a_damaged_header_is_named(tmp_path: Path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,".ljust(118)
    (tmp_path / "image.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header)
    with pytest.raises(FormatError, match=r"image\.npy is no readable NumPy array"):
        read_image(tmp_path / "image.npy")


@pytest.mark.parametrize("kind", ["c16", "S3", "M8[s]", "i4,f8"])
def test_what_is_no_real_number_is_refused(tmp_path: Path, kind: str):
    np.save(tmp_path / "image.npy", np.zeros((3, 4), kind))
    with pytest.raises(FormatError, match=r"image\.npy holds .* and not real numbers"):
        read_image(tmp_path / "image.npy")
