"""From names and paths to networks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

import mmgraph as mm
from mmgraph.formats import known_names, models_directory, resolve
from mmgraph.formats.bif.bif import write_bif
from mmgraph.formats.bundled import BUNDLED
from mmgraph.formats.native.native import write_native
from mmgraph.graph.errors import FormatError, MissingExtraError
from tests.formats.networks import (
    assert_same,
    gaussian_network,
    named_networks,
    odd_networks,
    sprinkler,
)


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("MMGRAPH_MODELS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


NAMES = [f"n{suffix}" for suffix in resolve.WRITERS if suffix != ".json"]
OTHER_NAMES = ["n.bif.gz", "n.BIF", "n.net.gz", "n.NET", "n.xml", "n.bifxml", "n.xmlbif.gz",
               "n.xdsl.gz", "n.xdsl.GZ", "n.mmgraph"]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, *(n for n in OTHER_NAMES if n not in NAMES)])
def test_written_and_read_it_is_the_same(models, name):
    net = sprinkler()
    mm.write(net, name)
    assert_same(mm.read(name), net)
    assert_same(mm.read(Path(name).resolve()), net)
    assert sorted(os.listdir()) == sorted(["models", name])


@pytest.mark.parametrize("suffix", [".net", ".xmlbif", ".xdsl"])
@given(net=named_networks() | odd_networks())
def test_any_name_is_read_back(tmp_path_factory, suffix, net):
    path = tmp_path_factory.mktemp("names") / f"n{suffix}"
    mm.write(net, path)
    assert_same(mm.read(path), net)


INFINITE = float("inf")


@pytest.mark.parametrize(
    "states", [(1.0, INFINITE), (-INFINITE, 0.5), ("inf", 1.0), ("nan", INFINITE), (True, "inf")]
)
def test_labels_that_are_infinite(models, states):
    variable = mm.Variable("a", states)
    net = mm.BayesianNetwork([variable], [mm.TableFactor([variable], [0.25, 0.75], child=variable)])
    for name in (*NAMES, "n.mmgraph"):
        mm.write(net, name)
        assert_same(mm.read(name), net)


@pytest.mark.parametrize("name", ["n.uai", "n.uai.gz"])
def test_uai_is_chosen_by_the_suffix(models, name):
    mm.write(sprinkler(), name)
    assert list(mm.read(name).variables) == ["x0", "x1", "x2", "x3"]


def test_a_gaussian_network_in_the_models_folder(models):
    mm.write(gaussian_network(), models / "garden.json")
    assert list(mm.read("garden").variables) == ["y", "x", "z z", "w"]
    assert "garden" in known_names()


@pytest.mark.parametrize("name", ["garden.bif", "garden.bif.gz", "garden", "garden.mmgraph"])
def test_a_name_in_the_models_folder(models, name):
    place = models / name
    mm.write(sprinkler(), place) if place.suffix else write_native(sprinkler(), place)
    assert_same(mm.read("garden"), sprinkler())
    assert "garden" in known_names()


def test_a_file_wins_over_a_model_and_a_model_over_pgmpy(models):
    assert len(mm.read("asia").variables) == 8
    write_bif(sprinkler(), models / "asia.bif")
    assert_same(mm.read("asia"), sprinkler())
    other = sprinkler(seed=1)
    write_native(other, "asia")
    assert_same(mm.read("asia"), other)


def test_a_name_without_an_ending_is_not_written(models):
    # It would stand before the bundled network of that name from then on.
    with pytest.raises(FormatError, match="expected a name that ends in"):
        mm.write(sprinkler(), "asia")
    assert not Path("asia").exists()


def test_a_ready_model_is_run_and_not_read(models):
    (models / "kitchen.toml").write_text("")
    with pytest.raises(FormatError, match="mmgraph run kitchen"):
        mm.read("kitchen")


def test_a_directory_of_the_same_name_does_not_hide_a_model(models):
    write_bif(sprinkler(), models / "garden.bif")
    Path("garden").mkdir()
    assert_same(mm.read("garden"), sprinkler())


def test_no_format_needs_another_package(tmp_path):
    """Networks of pgmpy are found, and all formats read and written, without importing it."""
    code = (
        "import sys; from mmgraph.formats import read, resolve, write\n"
        "tables, gaussian = read('cancer'), read('ecoli70')\n"
        "for suffix in resolve.WRITERS:\n"
        "    net = gaussian if suffix == '.json' else tables\n"
        f"    name = {str(tmp_path)!r} + '/n' + suffix; write(net, name); read(name)\n"
        "print(len(tables.variables), 'pgmpy' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(resolve.__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.split() == ["5", "False", "False"]


def test_without_pgmpy_there_are_the_models_alone(models, monkeypatch):
    monkeypatch.setattr(resolve, "find_spec", lambda _: None)
    write_bif(sprinkler(), models / "garden.bif")
    (models / "sachs.toml").write_text("")  # a ready model of this name is another thing
    assert known_names() == ["garden"]
    for name in BUNDLED:
        with pytest.raises(MissingExtraError, match=f"'{name}' needs .*mmgraph.interop.") as raised:
            mm.read(name)
        assert (raised.value.extra, raised.value.package) == ("interop", "pgmpy")
    with pytest.raises(FormatError, match="no network called 'alram'; did you mean 'alarm'"):
        mm.read("alram")


def test_the_networks_of_pgmpy_are_those_that_are_listed(monkeypatch):
    monkeypatch.setattr(resolve, "models_directory", lambda: Path("nowhere"))
    assert known_names() == sorted(BUNDLED)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("alram", "no file and no network called 'alram'; did you mean 'alarm'?"),
        ("here/alarm", "no file and no network called 'here/alarm'"),
        ("n.bif", "no file and no network called 'n.bif'"),
        ("models", "is a directory without a network.json"),
        ("", "is a directory without"),
        ("n.biff", "expected a name that ends in .*; did you mean '.bif'?"),
        ("a\0b", "is no path|no network called"),
        ("x" * 5000, "is no path|no network called"),
    ],
)
def test_what_is_not_found(models, name, message):
    Path("n.biff").write_text("")
    with pytest.raises(FormatError) as caught:
        mm.read(name)
    assert any(all(p in str(caught.value) for p in m.split(".*")) for m in message.split("|"))


def test_what_cannot_be_written(models):
    a = mm.Variable("a", 2)
    graph = mm.FactorGraph([a], [mm.TableFactor([a], [1, 2])])
    for name in (*NAMES, "n.json"):
        with pytest.raises(FormatError, match=r"holds Bayesian networks; write \.uai or"):
            mm.write(graph, name)
    with pytest.raises(FormatError, match=r"found '\.dsc'"):
        mm.write(sprinkler(), "g.dsc")
    for net, name in ((sprinkler(), "nowhere/g.bif"), (graph, "nowhere/g.mmgraph")):
        with pytest.raises(FormatError) as caught:
            mm.write(net, name)
        assert str(caught.value) == f"{name} cannot be written: there is no directory nowhere"
    assert os.listdir() == ["models"]


@pytest.mark.parametrize("thing", [None, 3, 2.5, ["n.bif"], sprinkler()])
def test_what_is_no_path(models, thing):
    with pytest.raises(FormatError) as caught:
        mm.read(thing)
    assert str(caught.value) == f"expected the path of a file, found {repr(thing)[:60]}"
    with pytest.raises(FormatError, match="expected the path of a file, found "):
        mm.write(sprinkler(), thing)
    for name in ("n.bif", "n.uai", "n.mmgraph"):
        if not isinstance(thing, mm.FactorGraph):
            with pytest.raises(FormatError) as caught:
                mm.write(thing, name)
            assert str(caught.value).endswith(f"a network to write, found {thing!r}")
    assert os.listdir() == ["models"]


def test_a_path_of_bytes(models):
    mm.write(sprinkler(), b"n.net")
    assert_same(mm.read(b"n.net"), sprinkler())


def test_the_models_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MMGRAPH_MODELS", str(tmp_path))
    assert models_directory() == tmp_path
    monkeypatch.delenv("MMGRAPH_MODELS")
    package = Path(resolve.__file__).resolve().parents[1]
    assert models_directory() in (package / "_models", package.parent / "models")
