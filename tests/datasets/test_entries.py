"""The catalogue itself; nothing here is fetched."""

from __future__ import annotations

import gzip
import importlib
import re
import sys

import pytest

from mmgraph import datasets
from mmgraph.datasets.entries import InstalledFolder
from mmgraph.graph.errors import DatasetError, MissingExtraError

ENTRIES = datasets.catalog()
ENDINGS = {"pip": (".whl", ".tar.gz"), "apt-get": "_all.deb", "npm": ".tgz"}


@pytest.mark.parametrize("name", ENTRIES)
def test_entry_is_complete_and_has_a_loader(name: str) -> None:
    found = ENTRIES[name]
    assert found.name == name
    assert found.title
    assert found.content
    assert found.licence
    assert found.citation
    assert found.members
    assert callable(importlib.import_module(found.module).load)
    assert found.sources
    for package in found.packages:
        assert re.fullmatch("[0-9a-f]{64}", package.sha256)
        assert package.filename.endswith(ENDINGS[package.client])
        assert package.size > 0


def test_the_catalogue_cannot_be_changed_from_outside() -> None:
    datasets.catalog().clear()
    assert datasets.catalog() == ENTRIES


def test_compiled_wheel_is_the_same_on_every_platform() -> None:
    [pin] = ENTRIES["motorcycle_stereo"].packages
    options = {"--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--abi=cp311"}
    assert options <= set(pin.arguments)


@pytest.mark.parametrize(
    ("name", "hint"), [("home_activites", "'home_activities'"), ("zzz", "bnlearn, digits")]
)
def test_unknown_name_offers_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(DatasetError, match=hint):
        datasets.load(name)
    with pytest.raises(DatasetError, match=hint):
        datasets.read_member(name, "x")


def test_unknown_member_offers_the_nearest() -> None:
    with pytest.raises(DatasetError, match=r"'htad\.csv'"):
        datasets.read_member("home_activities", "htat.csv")


def test_bundled_networks_are_read_without_importing_pgmpy() -> None:
    imported_before = "pgmpy" in sys.modules
    networks = datasets.load("bnlearn")
    assert {"asia", "alarm", "munin"} <= set(networks.names)
    assert gzip.decompress(networks.read("asia")).startswith(b"network")
    assert ("pgmpy" in sys.modules) == imported_before
    with pytest.raises(DatasetError, match="alarm"):
        networks.read("alram")


def test_absent_package_is_named() -> None:
    absent = InstalledFolder("no_such_package", "interop", "folder", ".bif.gz")
    assert absent.members() == ()
    with pytest.raises(MissingExtraError, match=r"no_such_package.*mmgraph\[interop\]"):
        absent.path()
