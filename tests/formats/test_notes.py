"""The notes beside what a format cannot hold: understood, and outdone by what others change."""

from __future__ import annotations

import pytest

import mmgraph as mm
from mmgraph.formats.notes import XDSL, note_of, spellings
from tests.formats.networks import assert_same

SUFFIXES = [".net", ".xmlbif", ".xdsl"]
AGE = mm.Variable("age", (1, 2.5, "old"), modality='eye "x"', family="categorical")


def net_of(*variables: mm.Variable) -> mm.BayesianNetwork:
    tables = [[0.5, 0.25, 0.25], [0.5, 0.5]]
    return mm.BayesianNetwork(
        variables,
        [mm.TableFactor([v], t, child=v) for v, t in zip(variables, tables, strict=False)],
    )


def rewritten(
    tmp_path, suffix: str, net: mm.BayesianNetwork, old: str, new: str
) -> mm.BayesianNetwork:
    """Write a network, replace the first such text outside the note, and read it."""
    path = tmp_path / f"n{suffix}"
    mm.write(net, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return mm.read(path)


STATE = {".net": '"{}"', ".xmlbif": "<OUTCOME>{}</OUTCOME>", ".xdsl": '<state id="{}" />'}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_that_another_program_has_changed_are_those_of_the_file(tmp_path, suffix):
    mm.write(net_of(AGE), tmp_path / f"n{suffix}")
    assert_same(mm.read(tmp_path / f"n{suffix}"), net_of(AGE))
    old, new = (STATE[suffix].format(label) for label in ("old", "ancient"))
    found = rewritten(tmp_path, suffix, net_of(AGE), old, new).variable("age")
    assert found.labels[2] == "ancient"
    assert all(isinstance(label, str) for label in found.labels)
    assert found.modality == AGE.modality


@pytest.mark.parametrize("suffix", [".net", ".xdsl"])
def test_a_name_that_another_program_has_changed_is_that_of_the_file(tmp_path, suffix):
    net = net_of(mm.Variable("a b", 3))
    assert list(rewritten(tmp_path, suffix, net, "a_b", "sex").variables) == ["sex"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_two_names_with_one_spelling(tmp_path, suffix):
    net = net_of(mm.Variable("a b", ("x", "y", "z")), mm.Variable("a_b", 2))
    mm.write(net, tmp_path / f"n{suffix}")
    assert_same(mm.read(tmp_path / f"n{suffix}"), net)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_modality_that_another_program_has_changed(tmp_path, suffix):
    net = net_of(mm.Variable("a", 3, modality="eye"))
    found = rewritten(tmp_path, suffix, net, "modality", "modality")
    assert found.variable("a").modality == "eye"
    path = tmp_path / f"n{suffix}"
    before = {".net": '"eye"', ".xmlbif": "= eye<", ".xdsl": ">eye<"}[suffix]
    path.write_text(path.read_text().replace(before, before.replace("eye", "ear")))
    assert mm.read(path).variable("a").modality == "ear"


def test_a_note_holds_nothing_that_a_scanner_could_stumble_over():
    odd = mm.Variable("{a};(b)%", ("'", '"', "\\", "</x>", "é", "\n"), modality="//*")
    note = note_of(odd, mm.Variable("a", odd.labels))
    assert note is not None
    assert not set(note) & set('{}();%"/<>&\n*')
    assert note.isascii()


def test_spellings_are_identifiers_and_distinct():
    names = ["a b", "a_b", "a-b", "1", "", "é", "a b "]
    found = spellings(names, XDSL.is_name)
    assert len(set(found)) == len(names)
    assert all(map(XDSL.is_name, found))
    assert found[1] == "a_b"
