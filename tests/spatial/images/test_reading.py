"""Images in files: what is written is read again; what is damaged or does not fit is named."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import FormatError, MissingExtraError
from mmgraph.spatial.images.reading import read_array, read_image, read_sensors
from mmgraph.spatial.images.writing import write_array, write_labels

pillow = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".nii", ".nii.gz"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_maps_survive_a_round_trip(tmp_path: Path, suffix: str, shape: tuple[int, ...]):
    for package in {".tif": ["tifffile"], ".npy": []}.get(suffix, ["nibabel"]):
        pytest.importorskip(package)
    written = np.random.default_rng(0).normal(size=shape)
    write_array(tmp_path / f"map{suffix}", written)
    read = read_image(tmp_path / f"map{suffix}", len(shape))
    assert read.shape == (*shape, 1)
    np.testing.assert_allclose(read[..., 0], written, rtol=1e-6)


def test_labels_as_png_hold_numbers_and_show_colours(tmp_path: Path):
    labels = np.array([[0, 1, 2], [2, 1, 0]])
    write_labels(tmp_path / "labels.png", labels, ["#FF0000", "#00FF00", "#0000FF"])
    np.testing.assert_array_equal(read_array(tmp_path / "labels.png", indices=True), labels)
    colours = read_image(tmp_path / "labels.png")
    np.testing.assert_array_equal(colours[0], [[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    write_labels(tmp_path / "many.png", labels + 300, ["#000000"] * 303)
    np.testing.assert_array_equal(read_array(tmp_path / "many.png"), labels + 300)


def test_what_png_cannot_hold_is_refused(tmp_path: Path):
    for array in (np.zeros((2, 2)), np.full((2, 2), -1), np.zeros((2, 2, 2), int)):
        with pytest.raises(FormatError, match="a PNG file holds"):
            write_array(tmp_path / "map.png", array)
    assert not list(tmp_path.iterdir())


def test_transparent_pixels_are_missing(tmp_path: Path):
    colours = np.full((2, 2, 4), 200, np.uint8)
    colours[0, 1, 3] = 0
    pillow.fromarray(colours).save(tmp_path / "cut.png")
    image = read_image(tmp_path / "cut.png")
    assert image.shape == (2, 2, 3)
    np.testing.assert_array_equal(np.isnan(image).all(-1), [[False, True], [False, False]])


def test_pages_of_a_tiff_are_bands_or_slices(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    stack = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    stack[1, 0, 0] = -9999
    extra = [(42113, "s", 0, "-9999", True)]
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack", extratags=extra)
    image = read_image(tmp_path / "stack.tif")
    assert image.shape == (3, 4, 2)
    assert np.isnan(image[0, 0, 1])
    assert image[2, 3, 0] == 11
    assert read_image(tmp_path / "stack.tif", 3).shape == (2, 3, 4, 1)


def test_nifti_axes_are_slices_rows_columns(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    stored = np.zeros((4, 3, 2), np.int16)
    stored[3, 1, 0] = 7
    (tmp_path / "scan.nii").write_bytes(nibabel.Nifti1Image(stored, affine).to_bytes())
    image = read_image(tmp_path / "scan.nii", 3)
    assert image.shape == (2, 3, 4, 1)
    assert image[0, 1, 3, 0] == 7
    write_array(tmp_path / "labels.nii.gz", image[..., 0] > 0, like=tmp_path / "scan.nii")
    written = nibabel.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), stored > 0)
    np.testing.assert_array_equal(written.affine, affine)


def test_infinite_values_are_missing(tmp_path: Path):
    np.save(tmp_path / "image.npy", np.array([[np.inf, 1.0], [np.nan, 2.0]]))
    np.testing.assert_array_equal(
        np.isnan(read_image(tmp_path / "image.npy")[..., 0]), [[True, False], [True, False]]
    )


def test_sizes_must_agree(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    np.save(tmp_path / "b.npy", np.zeros((4, 3, 2)))
    with pytest.raises(FormatError, match=r"differ in size: .*a.npy 3 x 4, .*b.npy 4 x 3"):
        read_sensors({"a": tmp_path / "a.npy", "b": tmp_path / "b.npy"})


def test_pickles_are_refused(tmp_path: Path):
    np.save(tmp_path / "objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps([1, 2]))
    for name in ("objects.npy", "pickle.npy"):
        with pytest.raises(FormatError, match="no readable NumPy array"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".nii", ".nii.gz"])
@pytest.mark.parametrize("content", [b"", b"nothing of the kind", bytes(400)])
def test_damaged_files_are_named(tmp_path: Path, suffix: str, content: bytes):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises((FormatError, MissingExtraError), match="damaged"):
        read_image(path)


def test_a_png_that_ends_early_is_named(tmp_path: Path):
    buffer = io.BytesIO()
    pillow.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)).save(
        buffer, format="PNG"
    )
    (tmp_path / "short.png").write_bytes(buffer.getvalue()[:300])
    with pytest.raises(FormatError, match=r"short\.png"):
        read_image(tmp_path / "short.png")


def test_unknown_endings_and_missing_files_are_named(tmp_path: Path):
    with pytest.raises(FormatError, match="did you mean"):
        read_image(tmp_path / "image.tifff")
    with pytest.raises(FormatError, match="there is no file"):
        read_image(tmp_path / "image.npy")
    np.save(tmp_path / "line.npy", np.zeros(3))
    with pytest.raises(FormatError, match="was expected"):
        read_image(tmp_path / "line.npy")
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    with pytest.raises(FormatError, match="not real numbers"):
        read_image(tmp_path / "words.npy")


def test_a_missing_package_says_which_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pillow.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "simple.tif")
    pillow.fromarray(np.zeros((2, 3), np.uint8)).save(
        tmp_path / "pages.tif", save_all=True, append_images=[pillow.new("L", (3, 2))]
    )
    (tmp_path / "scan.nii").write_bytes(bytes(400))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert read_image(tmp_path / "simple.tif").shape == (2, 3, 1)
    with pytest.raises(MissingExtraError, match=r"mmgraph\[images\]"):
        read_image(tmp_path / "pages.tif")
    with pytest.raises(MissingExtraError, match=r"nibabel.*mmgraph\[images\]"):
        read_image(tmp_path / "scan.nii")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="pillow"):
        write_array(tmp_path / "map.png", np.zeros((2, 2), int))


def png(colour_type: int, bands: int) -> bytes:
    """A PNG file of 2 x 3 pixels with 16 bits a band, each with a value of its own."""
    rows = np.arange(2 * 3 * bands).astype(">u2").reshape(2, -1) + 1000
    filtered = b"".join(b"\0" + row.tobytes() for row in rows.astype(">u2"))
    header = struct.pack(">IIBBBBB", 3, 2, 16, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(filtered)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(("colour_type", "bands"), [(2, 3), (4, 2), (6, 4)])
def test_png_files_of_several_deep_bands_are_not_rounded(
    tmp_path: Path, colour_type: int, bands: int, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "deep.png").write_bytes(png(colour_type, bands))
    expected = np.arange(6 * bands).reshape(2, 3, bands) + 1000
    shown = expected[..., : 3 if bands > 2 else 1]  # an alpha band is no band
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), shown)
    (tmp_path / "grey.png").write_bytes(png(0, 1))
    expected = np.arange(6).reshape(2, 3) + 1000
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png")[..., 0], expected)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MissingExtraError, match=r"deep\.png.* 16 bits .*imagecodecs"):
        read_image(tmp_path / "deep.png")
