"""The page of a comparison: whole, by itself, escaped, and JSON beside it; in a browser, too."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmgraph.comparison.report.comparison_report import ComparisonReport
from mmgraph.comparison.report.contributions import about_none, contributions
from mmgraph.comparison.report.page import page
from mmgraph.graph.errors import FormatError
from tests.comparison.report import made_up
from tests.comparison.report.chromium import PROGRAM, Page


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    rows, found = made_up.full()
    about = made_up.about(
        title="<i>Made</i> & up",
        settings={"network": ({"width": 64}, {"width": 128})},
    )
    rows = replace(rows, absent=((), ("<walk>",), (), ()))
    report = ComparisonReport(about, (rows,), tuple(found), (made_up.failure(),))
    path = tmp_path_factory.mktemp("page") / "comparison.html"
    return report, report.write(path)


def test_the_page_stands_alone_and_escapes_what_users_name(written):
    _, (page, _) = written
    text = Path(page).read_text(encoding="utf-8")
    assert len(text.encode()) < 1_000_000
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "<i>" not in text
    assert "<b>" not in text
    assert "<not>" not in text
    assert "<walk>" not in text
    assert "logistic &lt;b&gt;" in text
    assert len(re.findall("<svg", text)) == 6
    assert text.count('class="sortable"') == text.count("<caption>") == 9
    for words in ("Shapley values", "Pareto front", "width = 64 (3 folds)", "&lt;walk&gt;"):
        assert words in text


@pytest.mark.slow
def test_folds_are_counted_by_split():
    rows, found = made_up.full()
    few, others = made_up.full("grouped", 3)
    report = ComparisonReport(made_up.about(groups="person"), (rows, few), (*found, *others))
    assert "(4 folds in the random split, 3 folds in the grouped split; seed 0)" in page(report)


def test_json_holds_every_number(written):
    report, (_, figures) = written
    content = json.loads(Path(figures).read_text(encoding="utf-8"))
    assert content["rows"] == json.loads(json.dumps(report.rows()))
    assert content["words"] == report.words()
    models = len(report.models)
    assert len(content["differences"]) == 2 * 3 * models * (models - 1) // 2
    curve = next(c for c in content["curves"] if c["model"] == "network" and c["kind"] == "noise")
    assert curve["levels"] == [0.0, 0.5, 1.0, 2.0]
    # Accuracy falls by .1 a level: 0.8 at 0 and 0.6 at 2, so that the area by the width is 0.7.
    assert curve["relative_robustness"] == pytest.approx(0.7, abs=0.005)
    assert curve["effective_robustness"] == pytest.approx(0, abs=0.005)
    assert content["pareto_fronts"] == {"random": ["network", "late_fusion", "hybrid"]}
    assert content["failures"][0]["message"] == "the loss is <not> a number"
    assert content["tested"]["random"]["absent"][1] == ["<walk>"]
    labels = next(c for c in content["curves"] if c["model"] == "hybrid" and c["kind"] == "labels")
    assert labels["levels"] == [0.01, 0.05, 0.2, 1.0]


def test_shapley_values_share_out_what_all_modalities_bring(written):
    report, (_, figures) = written
    values = json.loads(Path(figures).read_text(encoding="utf-8"))["shapley_values"]
    whole = report.row(report.find("network", "random"))["accuracy"]
    nothing = report.row(report.find("prior", "random", ()))["accuracy"]
    alone = [
        report.row(report.find("network", "random", (m,)))["accuracy"] for m in made_up.MODALITIES
    ]
    told = {
        v["modality"]: v["value"]
        for v in values
        if v["model"] == "network" and v["metric"] == "accuracy"
    }
    sound = ((alone[0] - nothing) + (whole - alone[1])) / 2
    assert told["sound"] == pytest.approx(sound)
    assert sum(told.values()) == pytest.approx(whole - nothing)


@pytest.mark.parametrize(
    ("count", "why"),
    [
        (20, "1,048,576 sets of 20 modalities: of more than 12 modalities they are not computed"),
        (7, "all 128 sets of 7 modalities; no model was asked for every one"),
    ],
)
def test_many_modalities_have_no_shapley_values_and_it_is_said_why(count, why):
    names = tuple(f"m{number}" for number in range(count))
    rows = made_up.split_rows(60)
    sets = [names, *((name,) for name in names)]
    found = [made_up.answers("network", 0.7, rows, given) for given in sets]
    report = ComparisonReport(made_up.about(modalities=names), (rows,), tuple(found))
    assert contributions(report) == []
    assert why in about_none(report)
    if count == 20:
        assert why in page(report)


def test_equal_reports_of_one_model_make_equal_files_and_other_endings_are_refused(tmp_path):
    rows = made_up.split_rows()
    alone = made_up.answers("network", 0.8, rows, ("sound",))
    about = made_up.about(modalities=("sound",))
    reports = [ComparisonReport(about, (rows,), (alone,)) for _ in range(2)]
    one, other = (r.write(tmp_path / f"{n}.html") for n, r in enumerate(reports))
    for first, second in zip(one, other, strict=True):
        assert Path(first).read_bytes() == Path(second).read_bytes()
    text = Path(one[0]).read_text(encoding="utf-8")
    assert "Fusion" not in text
    assert "No settings were chosen" in text
    with pytest.raises(FormatError, match=r"comparison\.pdf"):
        reports[0].write(tmp_path / "comparison.pdf")
    assert len(list(tmp_path.iterdir())) == 4


def column(page: Page, number: int) -> list[str]:
    cells = (
        f"[...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[{number}]"
    )
    return page.value(f"{cells}.dataset.value)")


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium")
def test_a_browser_shows_sorts_and_prints_it(written, tmp_path):
    from PIL import Image

    _, (path, _) = written
    page = Page(Path(path), tmp_path / "profile")
    try:
        for width in (380, 1200):
            image = Image.open(io.BytesIO(page.picture(width)))
            assert image.width == width
            assert np.asarray(image.convert("L")).std() > 5  # something is drawn
            assert page.value("document.documentElement.scrollWidth") <= width
        losses = list(map(float, column(page, 2)))
        assert losses == sorted(losses)
        head = "document.querySelectorAll('table.sortable thead button')"
        page.value(f"{head}[1].focus()")
        page.press("Tab", 9)
        assert page.value(f"document.activeElement === {head}[2]")
        for way in ("ascending", "descending"):
            page.press("Enter", 13, "\r")
            assert page.value(f"{head}[2].parentElement.ariaSort") == way
        assert list(map(float, column(page, 2))) == losses[::-1]
        page.value(f"{head}[0].focus()")
        page.press(" ", 32, " ")
        assert column(page, 0) == sorted(column(page, 0))
        assert page.value("document.querySelectorAll('[aria-sort]').length") == 1
        page.value(f"{head}[3].click()")
        accuracies = list(map(float, column(page, 3)))
        assert accuracies == sorted(accuracies)
        assert page.pdf().startswith(b"%PDF")
        assert page.complaints == []
        assert page.requests == [Path(path).as_uri()]
    finally:
        page.close()
