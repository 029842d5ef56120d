"""Pictures: they are drawn, labels keep inside their nodes, bad input is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import mmgraph as mm
from mmgraph.graph.errors import FormatError, MmgraphError
from mmgraph.learning.prediction.metrics import expected_calibration_error
from mmgraph.plots import confusion_matrix, draw_network, reliability_diagram, save
from mmgraph.plots.graph_shapes import Drawing, shapes


def small_network() -> mm.BayesianNetwork:
    return mm.BayesianNetwork.from_tables(
        [("activity", "sound"), ("activity", "movement_of_the_wrist")],
        {
            "activity": [0.5, 0.5],
            "sound": np.full((2, 2), 0.5),
            "movement_of_the_wrist": np.full((2, 2), 0.5),
        },
        modalities={"sound": "sound", "movement_of_the_wrist": "movement"},
    )


@pytest.mark.parametrize("net", [small_network(), mm.read("alarm")], ids=["small", "alarm"])
def test_labels_keep_inside_their_nodes(net: mm.BayesianNetwork):
    figure = draw_network(net)
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [patch.get_window_extent() for patch in axes.patches]
    texts = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(texts) == len(net.variables)
    for box, text in zip(boxes, texts, strict=True):
        assert box.x0 <= text.x0
        assert text.x1 <= box.x1
    for i, first in enumerate(boxes):
        assert not any(first.overlaps(second) for second in boxes[i + 1 :])


def test_modalities_are_named_in_the_legend():
    (legend,) = draw_network(small_network()).legends
    assert [t.get_text() for t in legend.get_texts()] == ["sound", "movement", "no modality"]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_files_are_written_and_equal(tmp_path: Path, suffix: str):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    draw_network(small_network(), first)
    draw_network(small_network(), second)
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes()) > 1000


def test_a_markov_network_and_a_large_network_are_drawn(tmp_path: Path):
    a, b = mm.Variable("a", 2), mm.Variable("b", 2)
    draw_network(mm.FactorGraph([a, b], [mm.TableFactor([a, b], np.ones((2, 2)))]))
    draw_network(mm.read("andes"), tmp_path / "andes.png")
    assert (tmp_path / "andes.png").stat().st_size > 10_000


def test_confusion_matrix_counts():
    figure = confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], ["eat", "walk"])
    counts = sorted(text.get_text() for text in figure.axes[0].texts)
    assert counts == ["1", "1", "2"]


def test_reliability_diagram_has_a_curve_a_situation(tmp_path: Path):
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 100)
    tables = {name: generator.dirichlet(np.ones(3), 100) for name in ("both", "sound")}
    figure = reliability_diagram(truth, tables)
    (legend,) = figure.legends
    errors = {name: expected_calibration_error(table, truth) for name, table in tables.items()}
    assert [t.get_text() for t in legend.get_texts()] == [
        f"{name} (calibration error {error:.3f})" for name, error in errors.items()
    ]
    lower = figure.axes[1]
    counts = [count for line in lower.lines for count in line.get_ydata()]
    assert lower.get_ylim()[0] < min(counts) <= max(counts) < lower.get_ylim()[1]
    save(figure, tmp_path / "reliability.png")


def test_no_line_leads_to_a_bin_of_few_predictions():
    confidence = np.array([0.62] * 3 + [0.75] * 20 + [0.95] * 20)
    table = np.stack([confidence, 1 - confidence], axis=1)
    upper = reliability_diagram(np.zeros(43, np.int64), table).axes[0]
    curve, few = upper.lines[1], upper.lines[2]
    assert np.ma.getmaskarray(curve.get_ydata(orig=True)).tolist() == [True, False, False]
    assert few.get_xdata().tolist() == [pytest.approx(0.62)]
    assert few.get_markerfacecolor() == "white"
    assert upper.get_xlim()[0] == pytest.approx(0.60)


def test_short_names_lie_below_a_confusion_matrix():
    slants = [
        {
            text.get_rotation()
            for text in confusion_matrix([0, 1], [0, 1], n).axes[0].get_xticklabels()
        }
        for n in (["ill", "well"], ["convalescent", "well"])
    ]
    assert slants == [{0.0}, {45.0}]


def test_nothing_lies_upon_the_title_of_a_reliability_diagram():
    table = np.full((40, 2), 0.5)
    figure = reliability_diagram(np.arange(40) % 2, {"sound": table}, title="Calibration")
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    title = legend.get_title()
    assert title.get_text() == "Calibration"
    bottom = title.get_window_extent().y0
    for below in (*legend.get_texts(), *figure.axes):
        assert below.get_window_extent().y1 < bottom


@pytest.mark.parametrize(
    ("truth", "table", "message"),
    [
        ([0, 1], [[0.5, 0.5]], r"\(2, states\) was expected"),
        ([2], [[0.5, 0.5]], "index 2 of 2 states"),
        ([0], [[0.5, 0.6]], "row 0 are no distribution"),
        ([0], [[np.nan, 1.0]], "row 0 are no distribution"),
        ([-1], [[0.5, 0.5]], "negative index"),
        ([], np.zeros((0, 2)), "one-dimensional array"),
        ([0.5], [[0.5, 0.5]], "one-dimensional array"),
    ],
)
def test_predictions_that_are_none(truth: object, table: object, message: str):
    with pytest.raises(MmgraphError, match=message):
        reliability_diagram(truth, table)


def test_bad_input(tmp_path: Path):
    with pytest.raises(FormatError, match="gif"):
        draw_network(small_network(), tmp_path / "net.gif")
    with pytest.raises(MmgraphError, match="rows"):
        confusion_matrix([0, 1], [0])
    with pytest.raises(MmgraphError, match="index 2"):
        confusion_matrix([0, 2], [0, 1], ["a", "b"])
    assert not list(tmp_path.iterdir())


def test_names_of_several_lines_have_taller_boxes_that_arrows_touch():
    leaf = "one\ntwo\nthree $x$"
    drawing = Drawing({"class": None, leaf: None}, {("class", leaf): "->"})
    nodes, courses = shapes(drawing)
    upper, lower = nodes["class"], nodes[leaf]
    assert lower.height > upper.height
    course = courses["class", leaf]
    np.testing.assert_allclose(course[0][1], upper.y - upper.height / 2)
    np.testing.assert_allclose(course[-1][1], lower.y + lower.height / 2)
    assert course[-1][1] < course[0][1] - 0.3


def test_labels_and_titles_are_no_mathematics():
    figure = confusion_matrix([0, 1, 1], [0, 1, 0], [r"$\alpha_$", "b"], title="$x_$")
    FigureCanvasAgg(figure).draw()  # mathematics that cannot be read raises here
    assert figure.axes[0].get_yticklabels()[0].get_text() == r"\$\alpha_\$"
