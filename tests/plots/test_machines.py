"""Pictures of Boltzmann machines: grids of images, and the monitors of training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmgraph.graph.errors import MmgraphError
from mmgraph.plots import save
from mmgraph.plots.machines import image_grid, in_rows, training_curves


def images(count: int = 3, shape: tuple[int, int] = (4, 3)) -> np.ndarray:
    return np.arange(float(count * shape[0] * shape[1])).reshape(count, *shape)


def drawn(figure) -> list:
    return [image for axes in figure.axes for image in axes.get_images()]


def test_every_image_is_there_with_its_values():
    figure = image_grid({"truth": images(3), "imputed": images(2) + 1}, headings=["a", "b", "c"])
    assert len(figure.axes) == 6
    shown = drawn(figure)
    assert len(shown) == 5
    np.testing.assert_array_equal(shown[1].get_array(), images(3)[1])
    np.testing.assert_array_equal(shown[4].get_array(), images(2)[1] + 1)
    assert {image.get_clim() for image in shown} == {(0.0, 35.0)}
    assert [axes.get_title() for axes in figure.axes[:3]] == ["a", "b", "c"]
    assert figure.axes[0].get_ylabel() == "truth"
    assert figure.axes[3].get_ylabel() == "imputed"


def test_zero_is_the_middle_of_signed_images():
    (image,) = drawn(image_grid({"": [[[-1.0, 0.5]]]}, signed=True))
    low, high = image.get_clim()
    assert low == -high < 0


def test_limits_are_white_and_black():
    (image,) = drawn(image_grid({"": [[[-1.0, 7.5]]]}, limits=(0, 6)))
    assert image.get_clim() == (0, 6)
    with pytest.raises(MmgraphError, match="not 6 for 0"):
        image_grid({"": images()}, limits=(6, 0))


def test_a_constant_image_is_drawn(tmp_path: Path):
    save(image_grid({"": np.full((1, 2, 2), 3.0)}), tmp_path / "one.png")
    assert (tmp_path / "one.png").stat().st_size > 0


def test_images_in_rows():
    rows = in_rows(images(5), 2)
    assert [len(row) for row in rows.values()] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(list(rows.values())), images(5))
    assert not any(name.strip() for name in rows)
    with pytest.raises(MmgraphError, match="height, width"):
        in_rows(np.zeros((0, 2, 2)), 2)
    with pytest.raises(MmgraphError, match="height, width"):
        in_rows(np.zeros((4, 4)), 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "not none"),
        ({"a": np.zeros((2, 3))}, r"not \[\(2, 3\)\]"),
        ({"a": np.zeros((0, 2, 3))}, "one size"),
        ({"a": images(1), "b": images(1, (3, 4))}, "one size"),
        ({"a": images(1), "blurred": [[[np.nan]]]}, "one size"),
        ({"blurred": [[[np.nan, 1.0]]]}, "row 'blurred' holds NaN"),
    ],
)
def test_images_that_cannot_be_drawn(rows: dict, message: str):
    with pytest.raises(MmgraphError, match=message):
        image_grid(rows)


def test_a_chart_for_each_monitor():
    histories = {
        "fold 1": [
            {"loss": 3.0, "loss:label": 1.0},
            {"loss": 2.0},
            {"loss": 1.5, "loss:label": 0.5},
        ],
        "fold 2": [{"loss": 2.5, "saturation": 0.1}],
    }
    figure = training_curves(histories, title="Training")
    seen = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert list(seen) == ["loss", "loss of 'label'", "saturation"]
    one, two = seen["loss"].get_lines()
    np.testing.assert_array_equal(one.get_xydata(), [[1, 3], [2, 2], [3, 1.5]])
    np.testing.assert_array_equal(two.get_xydata(), [[1, 2.5]])
    (label,) = seen["loss of 'label'"].get_lines()
    np.testing.assert_array_equal(
        label.get_xydata(), [[1, 1], [3, 0.5]]
    )  # epochs without are left out
    legend = seen["loss"].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["fold 1", "fold 2"]


def test_monitors_can_be_chosen():
    figure = training_curves(
        {"": [{"loss": 1.0, "free_energy_gap": 2.0}]}, ["free_energy_gap", "x"]
    )
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == ["free energy gap"]
    with pytest.raises(MmgraphError, match=r"no epoch has one of the monitors \['x'\]"):
        training_curves({"": [{"loss": 1.0}]}, ["x"])
    with pytest.raises(MmgraphError, match="no epoch"):
        training_curves({})
