"""The page of an analysis: whole, by itself, for those who cannot see; and its figures as JSON."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import mmgraph as mm
from mmgraph.causal.estimation.effect import Effect
from mmgraph.causal.modalities.analyse import analyse_predictions
from mmgraph.experiments.analysis.pictures import information_bars, state_bars
from mmgraph.experiments.analysis.words import compared, in_words
from mmgraph.graph.errors import FormatError, MmgraphError

pytestmark = pytest.mark.usefixtures("rendered")
MEANS = [[[0.1, 0.9], [0.5, 1.0]]]  # of the outcome, by confounder, treatment and mediator
PROBABILITIES = [[[0.8, 0.2], [0.2, 0.8]]]  # of the mediator


def of_predictions(seed, sure, groups=None):
    """Two modalities, the first of which is right so often; names that HTML must not read."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 3, 90)
    tables = {}
    for members, share in {
        ("a<b>",): sure,
        ("c & d",): 0.4,
        ("a<b>", "c & d"): sure + 0.05,
    }.items():
        table = np.full((90, 3), (1 - share) / 2)
        right = np.where(generator.random(90) < share, codes, (codes + 1) % 3)
        table[np.arange(90), right] = share
        tables[members] = table
    return analyse_predictions("act", ["run", "<i>", "sit"], tables, codes, groups)


@pytest.fixture(scope="module")
def analyses():
    return {
        "rows split at random": of_predictions(0, 0.85),
        "each block left out": of_predictions(1, 0.6, np.arange(90) % 3),
    }


class Page(HTMLParser):
    """Tags that are open at the end, and what a page asks for from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [v for k, v in attributes if k in ("src", "href", "xlink:href")]
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_its_pictures_are_text(analyses, tmp_path):
    path = tmp_path / "page.html"
    net = mm.BayesianNetwork.from_tables(
        [("x", "y")], {"x": [0.5, 0.5], "y": [[0.8, 0.2], [0.3, 0.7]]}
    )
    learned = SimpleNamespace(
        names=("x", "y"),
        edges=list(net.edges),
        consensus=None,
        pag=None,
        cpdag=([], []),
        edge_confidence={frozenset("xy"): 0.8},
        confidence={("x", "y"): 0.8},
        modalities={"x": "lab", "y": None},
        method="hill climbing",
    )
    about = {"method": "back-door", "estimand": "x on y", "latex": ""}
    direct = Effect("natural direct", None, **about, bounds=(0.1, 0.2))
    effect = Effect("average", 0.5, **about, interval=(0.4, 0.6), parts={"natural direct": direct})
    files = mm.write_report(
        analyses,
        path,
        title="What <tells>",
        effects={"x on y": effect, "x by image": mm.mediation(MEANS, PROBABILITIES), "z": 0.1},
        what_if={"x set to 0": [0.2, 0.3, 0.5]},
        structure=learned,
    )
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert all(link.startswith("#") for link in page.links)
    assert "<title>What &lt;tells&gt;</title>" in text
    assert "<b>" not in text
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 10
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.attrib["aria-label"]
        assert "width" not in root.attrib
        assert root.attrib["viewBox"]
    assert any("a&lt;b&gt;" in p and "<text" in p for p in pictures)
    assert "20.0%" in text
    assert "0.400 to 0.600" in text
    content = json.loads((tmp_path / "page.json").read_text())
    assert files == [str(path), str(tmp_path / "page.json")]
    assert set(content["analyses"]) == set(analyses)
    lines = {line["name"]: line for line in content["effects"]}
    assert lines["x on y"]["low"] == 0.4
    assert lines["x on y: natural direct"]["value"] is None
    assert "not a number" in text
    assert lines["x by image: total effect"]["value"] == pytest.approx(0.9 - 0.26)
    assert content["arcs"] == [{"from": "x", "to": "y", "confidence": 0.8}]
    assert content["words"].startswith("There are 1.5")


def test_one_exact_analysis_needs_no_noise_and_equal_analyses_make_equal_pages(tmp_path):
    tables = {"y": [0.5, 0.5], "a": [[0.9, 0.1], [0.2, 0.8]], "b": [[0.6, 0.4], [0.5, 0.5]]}
    net = mm.BayesianNetwork.from_tables([("y", "a"), ("y", "b")], tables)
    analysis = mm.analyse_modalities(net, "y", by="variable")
    for name in ("one", "two"):
        mm.write_report(analysis, tmp_path / f"{name}.html")
    one, two = ((tmp_path / f"{name}.html").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b"O-information" in one
    assert "±" not in one.decode()


def test_words_say_the_numbers_and_how_splits_differ(analyses):
    before, after = analyses.values()
    text = in_words(before)
    assert f"There are {before.entropy:.2f} bits to tell about act, in 90 rows." in text
    assert f"Once a<b> is known, c & d adds {before.given_others['c & d'].value:.2f}" in text
    assert "in 90 rows in 3 groups" in in_words(after)
    change = compared(analyses)
    told = [one.whole.information.value for one in (before, after)]
    assert f"tell goes from {told[0]:.2f} to {told[1]:.2f} bits" in change
    assert compared({"": before}) == ""


def test_words_leave_out_what_is_nothing():
    sure = np.full((4, 2), 0.5)
    one = analyse_predictions("y", ["n", "p"], {("a",): sure}, np.array([0, 1, 0, 1]))
    text = in_words(one)
    assert "a tells 0.00 bits, 0% of that" in text
    assert "ogether" not in text
    assert "parentheses" not in text
    even = {("a",): sure, ("b",): sure, ("a", "b"): sure}
    both = in_words(analyse_predictions("y", ["n", "p"], even, np.array([0, 1, 0, 1])))
    assert "No single modality is missed" in both
    assert "missed most" not in both
    wrong = analyse_predictions(
        "y", ["n", "p"], {("a",): sure * [0.4, 1.6]}, np.array([0, 1, 0, 1])
    )
    assert "Below zero" in in_words(wrong)
    by_variable = in_words(mm.analyse_modalities(mm.read("asia"), "lung"))
    assert "and 1 other less" in by_variable
    assert "The variable that is missed most is either" in by_variable


@pytest.mark.filterwarnings("error")
def test_names_are_drawn_as_they_are_short_and_one_scale_serves_all_graphs(tmp_path):
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 2, 60)
    names = (r"$\alpha_$", "n" * 100)
    parts = {}
    for title, share in (("one", 0.9), ("two", 0.7)):
        right = np.where(generator.random(60) < 0.8, codes, 1 - codes)
        table = np.full((60, 2), 1 - share)
        table[np.arange(60), right] = share
        tables = {names[:1]: table, names[1:]: np.full((60, 2), 0.5), names: table}
        parts[title] = analyse_predictions("y", ["$s_$", "p"], tables, codes)
    mm.write_report(parts, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    alternatives = re.findall('aria-label="([^"]*)"', text)
    assert max(map(len, alternatives)) <= 300
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    drawn = [re.sub('aria-label="[^"]*"', "", picture) for picture in pictures]
    assert not any(names[1] in picture for picture in drawn)
    assert any(names[0] in picture for picture in drawn)
    widest = max(one.information[names[0]].value for one in parts.values())
    assert text.count(f"100% of {widest:.2f} bits") == 2
    assert "it says nothing of causes" in text
    assert text.count("min-width") == len(pictures) + 1
    assert "only in the first" in text


def test_of_many_variables_the_first_are_drawn():
    tables = {"y": [0.5, 0.5]}
    for place in range(20):
        share = 0.5 + place / 50
        tables[f"x{place}"] = [[share, 1 - share], [1 - share, share]]
    net = mm.BayesianNetwork.from_tables([("y", name) for name in tables if name != "y"], tables)
    analysis = mm.analyse_modalities(net, "y", method="samples", draws=200)
    bars = information_bars(analysis)
    assert "5 other variables, which tell less" in bars.caption
    assert ">x19<" in bars.svg.replace("\n", "")
    assert ">x0<" not in bars.svg
    assert "14 other variables" in state_bars(analysis).caption


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"path": "page.pdf"}, FormatError, "page.pdf"),
        ({"what_if": {"x": [1.0]}}, MmgraphError, "'x' has 1 numbers; act has 3 states"),
        ({"effects": {"x": object()}}, MmgraphError, "'x' is no effect"),
        ({"effects": {"x": float("nan")}}, MmgraphError, "'x' is no effect"),
    ],
)
def test_what_cannot_be_reported_is_refused(analyses, tmp_path, options, error, message):
    path = tmp_path / options.pop("path", "page.html")
    with pytest.raises(error, match=message):
        mm.write_report(analyses, path, **options)
    assert not list(tmp_path.iterdir())
    with pytest.raises(MmgraphError, match="no analysis"):
        mm.write_report({}, tmp_path / "page.html")
