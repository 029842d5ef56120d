"""Files to and from pgmpy and pyAgrum: what we write they read, what they write we read."""

from __future__ import annotations

import gzip
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmgraph as mm
from tests.formats.bif.test_bif import bundled
from tests.formats.networks import assert_same, random_table, sprinkler

gum = pytest.importorskip("pyagrum")

SINGLE = 2e-6
"""pyAgrum keeps and writes six digits in some formats."""


def chain() -> mm.BayesianNetwork:
    """Return a network in which no node has two parents."""
    generator = np.random.default_rng(1)
    return mm.BayesianNetwork.from_tables(
        [("first", "second"), ("second", "third")],
        {
            "first": random_table(generator, 3),
            "second": random_table(generator, 3, 2),
            "third": random_table(generator, 2, 4),
        },
        states={"first": ("a", "b", "c"), "second": ("no", "yes"), "third": ("w", "x", "y", "z")},
    )


def assert_pgmpy_has(model: Any, net: mm.BayesianNetwork, tolerance: float) -> None:
    assert set(model.nodes) == set(net.variables)
    for child in net.variables:
        table, factor = model.get_cpds(child), net.distribution(child)
        assert tuple(table.variables[1:]) == net.parents(child)
        for variable in factor.scope:
            assert tuple(table.state_names[variable.name]) == variable.labels
        values = np.moveaxis(np.asarray(table.values), 0, -1)
        assert values == pytest.approx(factor.values.numpy(), abs=tolerance)


def assert_agrum_has(model: Any, net: mm.BayesianNetwork, tolerance: float) -> None:
    assert model.names() == set(net.variables)
    for child, variable in net.variables.items():
        assert model.variable(child).labels() == variable.labels
        factor, table = net.distribution(child), model.cpt(child)
        assert set(table.names) == {v.name for v in factor.scope}
        for index, value in np.ndenumerate(factor.values.numpy()):
            at = dict(zip((v.name for v in factor.scope), index, strict=True))
            assert table[at] == pytest.approx(value, abs=tolerance)


def assert_tables(found: mm.BayesianNetwork, net: mm.BayesianNetwork, tolerance: float) -> None:
    assert set(found.variables) == set(net.variables)
    for child, variable in net.variables.items():
        assert found.variable(child).labels == variable.labels
        one, other = found.distribution(child), net.distribution(child)
        order = [[v.name for v in one.scope].index(v.name) for v in other.scope]
        values = one.values.permute(order)
        assert values.numpy() == pytest.approx(other.values.numpy(), abs=tolerance)


PGMPY_READERS = {".net": "NETReader", ".xmlbif": "XMLBIFReader", ".xdsl": "XDSLReader"}
PGMPY_WRITERS: dict[str, Callable[[Any, str], None]] = {
    ".net": lambda m, p: _pgmpy().NETWriter(m).write(filename=p),
    ".xmlbif": lambda m, p: _pgmpy().XMLBIFWriter(m).write(filename=p),
    ".xdsl": lambda m, p: _pgmpy().XDSLWriter(m).write(filename=p),
    ".bif": lambda m, p: _pgmpy().BIFWriter(m).write(filename=p),
}


def _pgmpy() -> Any:
    import pgmpy.readwrite

    return pgmpy.readwrite


@pytest.fixture(autouse=True)
def silence(caplog):
    caplog.set_level(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("suffix", PGMPY_READERS)
def test_pgmpy_reads_what_is_written_here(tmp_path, suffix):
    net = sprinkler()
    mm.write(net, tmp_path / f"n{suffix}")
    reader = getattr(_pgmpy(), PGMPY_READERS[suffix])(str(tmp_path / f"n{suffix}"))
    assert_pgmpy_has(reader.get_model(), net, 1e-12)


@pytest.mark.parametrize("suffix", PGMPY_WRITERS)
def test_what_pgmpy_writes_is_read_here(tmp_path, suffix):
    net = sprinkler()
    PGMPY_WRITERS[suffix](mm.to_pgmpy(net), str(tmp_path / f"n{suffix}"))
    found = mm.read(tmp_path / f"n{suffix}")
    assert_tables(found, net, 1e-8)
    if suffix != ".xdsl":  # which it writes without properties
        assert found.variable("rain").modality == "weather station"


@pytest.mark.parametrize("suffix", [".bif", ".net", ".bifxml"])
def test_agrum_reads_what_is_written_here(tmp_path, suffix):
    net = sprinkler()
    mm.write(net, tmp_path / f"n{suffix}")
    assert_agrum_has(gum.loadBN(str(tmp_path / f"n{suffix}")), net, SINGLE)


def test_agrum_reads_xdsl_where_no_node_has_two_parents(tmp_path):
    # It takes the first parent to move fastest, in GeNIe's own files as well.
    net = chain()
    mm.write(net, tmp_path / "n.xdsl")
    assert_agrum_has(gum.loadBN(str(tmp_path / "n.xdsl")), net, SINGLE)


@pytest.mark.parametrize("suffix", [".bif", ".net", ".bifxml", ".xdsl"])
def test_what_agrum_writes_is_read_here(tmp_path, suffix):
    net = sprinkler()
    mm.write(net, tmp_path / "here.net")
    gum.saveBN(gum.loadBN(str(tmp_path / "here.net")), str(tmp_path / f"there{suffix}"))
    assert_tables(mm.read(tmp_path / f"there{suffix}"), net, SINGLE)


@pytest.mark.parametrize("suffix", [".net", ".bifxml", ".xdsl"])
def test_every_kind_of_variable_of_agrum(tmp_path, suffix):
    model = gum.BayesNet("kinds")
    model.add(gum.RangeVariable("range", "", -1, 1))
    model.add(gum.DiscretizedVariable("bins", "", [0, 0.5, 10]))
    model.add(gum.IntegerVariable("integers", "", [3, 7]))
    model.add(gum.NumericalDiscreteVariable("numbers", "", [0.5, 1.5]))
    for child in ("bins", "integers", "numbers"):
        model.addArc("range", child)
    model.addArc("bins", "integers")
    gum.initRandom(3)
    model.generateCPTs()
    path = tmp_path / f"n{suffix}"
    gum.saveBN(model, str(path))
    assert_agrum_has(model, mm.read(path), SINGLE)


@pytest.mark.parametrize("suffix", [".net", ".bifxml", ".xdsl"])
def test_names_that_a_format_cannot_hold_disturb_no_other_program(tmp_path, suffix):
    first = mm.Variable("Age (years)", ("<5", ">= 5", 'a "b"'), modality='it\'s 100% {odd}; "x" \\')
    second = mm.Variable("node", (1, 2.5), modality="ear")
    third = mm.Variable("été", 3)
    tables = [[0.25, 0.25, 0.5], [[0.25, 0.75], [0.5, 0.5], [1, 0]], [[0.5, 0.25, 0.25], [1, 0, 0]]]
    scopes = ([first], [first, second], [second, third])
    net = mm.BayesianNetwork(
        [first, second, third],
        [mm.TableFactor(s, t, child=s[-1]) for s, t in zip(scopes, tables, strict=True)],
    )
    path = tmp_path / f"n{suffix}"
    mm.write(net, path)
    assert_same(mm.read(path), net)
    model = gum.loadBN(str(path))
    assert model.size() == 3
    for child in model.names():
        parents = [name for name in model.cpt(child).names if name != child]
        if not parents:
            assert model.cpt(child).tolist() == [0.25, 0.25, 0.5]
    if suffix != ".net":  # its reader of NET knows no blanks in states
        reader = getattr(_pgmpy(), PGMPY_READERS[".xmlbif" if suffix == ".bifxml" else suffix])
        assert len(reader(str(path)).get_model().nodes) == 3


SUFFIXES = (".net", ".xmlbif", ".xdsl")


LARGE = 8_000
"""A packed file of more bytes is left to the slow tests."""
ALIKE = ("munin2", "munin3", "munin4")
"""Large networks that differ from the whole munin in size alone."""


def networks(*without: str) -> list[Path]:
    """Return the files of the bundled networks, one of its kind, without those that are named."""
    return [p for p in bundled() if p.name.removesuffix(".bif.gz") not in (*ALIKE, *without)]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, marks=[pytest.mark.slow] if p.stat().st_size > LARGE else [])
        for p in networks()
    ],
    ids=lambda p: p.name.removesuffix(".bif.gz"),
)
def test_bundled_networks_keep_their_tables(tmp_path, path, suffix):
    """The bundled networks through every format, to the last bit."""
    net = mm.read(path)
    mm.write(net, tmp_path / f"n{suffix}")
    again = mm.read(tmp_path / f"n{suffix}")
    assert list(again.variables) == list(net.variables)
    for child, variable in net.variables.items():
        assert again.variable(child).labels == variable.labels
        assert again.parents(child) == net.parents(child)
        assert again.distribution(child).values.tolist() == net.distribution(child).values.tolist()


def _agrum_marginals(path: Path, tmp_path: Path) -> None:
    """Assert that pyAgrum finds the same marginals in the same file, read by its own reader."""
    net = mm.read(path)
    (tmp_path / "n.bif").write_bytes(gzip.decompress(path.read_bytes()))
    try:
        model = gum.loadBN(str(tmp_path / "n.bif"))
    except gum.FatalError:  # states such as Asy/Patch, which it reads from other formats
        mm.write(net, tmp_path / "n.net")
        model = gum.loadBN(str(tmp_path / "n.net"))
    engine = gum.LazyPropagation(model)
    engine.makeInference()
    answer = mm.query(net)
    assert model.names() == set(net.variables)
    for name, variable in net.variables.items():
        assert model.variable(name).labels() == variable.labels
        found = answer.marginal(name)[0]
        assert found.tolist() == pytest.approx(engine.posterior(name).tolist(), abs=1e-5)


QUICK = ("asia", "cancer", "earthquake", "survey", "sachs", "alarm")


@pytest.mark.parametrize("name", QUICK)
def test_agrum_finds_the_same_marginals(tmp_path, name):
    (path,) = (p for p in bundled() if p.name == f"{name}.bif.gz")
    _agrum_marginals(path, tmp_path)


BEYOND_AGRUM = ("link", "munin1")
"""Networks for whose marginals pyAgrum takes many minutes, or more memory than a machine has."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    networks(*QUICK, *BEYOND_AGRUM),
    ids=lambda p: p.name.removesuffix(".bif.gz"),
)
def test_agrum_finds_the_same_marginals_in_large_networks(tmp_path, path):
    _agrum_marginals(path, tmp_path)


@pytest.mark.parametrize("name", ["asia", "cancer"])
def test_pgmpy_finds_the_same_marginals(tmp_path, name):
    from pgmpy.inference import VariableElimination

    (path,) = (p for p in bundled() if p.name == f"{name}.bif.gz")
    net = mm.read(path)
    answer = mm.query(net)
    for suffix, reader in PGMPY_READERS.items():
        mm.write(net, tmp_path / f"n{suffix}")
        model = getattr(_pgmpy(), reader)(str(tmp_path / f"n{suffix}")).get_model()
        engine = VariableElimination(model)
        for variable in net.variables.values():
            found = engine.query([variable.name], show_progress=False)
            values = [found.get_value(**{variable.name: s}) for s in variable.labels]
            assert values == pytest.approx(answer.marginal(variable.name)[0].tolist(), abs=1e-9)
