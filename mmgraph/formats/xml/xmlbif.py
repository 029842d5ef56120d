"""Bayesian networks in XMLBIF, and in the ``.bifxml`` of aGrUM, which is the same.

The numbers of a ``<TABLE>`` stand with the child moving fastest and, before it, the last
``<GIVEN>``. States are ``<OUTCOME>`` or, in older files, ``<VALUE>``. Properties are free text;
``modality = …`` is read.

The format: Cozman, "The Interchange Format for Bayesian Networks", XMLBIF version 0.3 (1998),
https://www.cs.cmu.edu/~fgcozman/Research/InterchangeFormat/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from xml.sax.saxutils import escape

from mmgraph.formats.files import SIZE_LIMIT
from mmgraph.formats.network_file import NetworkFile
from mmgraph.formats.notes import NOTE, XMLBIF, Spelled, spelled_variables
from mmgraph.formats.tables import conditional_values
from mmgraph.formats.xml.elements import Element, read_xml
from mmgraph.graph.factor import Factor
from mmgraph.graph.storage.whole_files import write_text
from mmgraph.networks.bayesian_network import BayesianNetwork

_REFUSED = {"decision": "a decision", "utility": "a utility"}


def read_xmlbif(path: str | PathLike[str], *, size_limit: int = SIZE_LIMIT) -> BayesianNetwork:
    """Read a Bayesian network from an XMLBIF file.

    Parameters, rows and errors are those of :func:`~mmgraph.formats.bif.bif.read_bif`; a decision,
    a utility or a joint distribution is an error that names it.
    """
    root = read_xml(path, "BIF", size_limit)
    networks = [child for child in root.children if child.tag == "NETWORK"]
    if len(networks) != 1 or len(root.children) > 1:
        root.fail(f"expected one <NETWORK> in <BIF>, found {_tags(root)}")
    file = NetworkFile[Element](path, "a <VARIABLE>", "the variable '{}' is given twice", XMLBIF)
    for element in networks[0].children:
        if element.tag == "VARIABLE":
            _declare(file, element)
        elif element.tag in ("DEFINITION", "PROBABILITY"):
            file.distribute(_child(element), element, element.fail)
        elif element.tag not in ("NAME", "PROPERTY"):
            element.fail(f"expected <VARIABLE> or <DEFINITION>, found <{element.tag[:60]}>")
    return file.network(lambda child, element: _factor(file, child, element))


def _tags(element: Element) -> str:
    return ", ".join(f"<{child.tag[:60]}>" for child in element.children[:5]) or "nothing"


def _declare(file: NetworkFile[Element], element: Element) -> None:
    named = element.one("NAME", "variable")
    name = named.text if named is not None else ""
    if not name:
        element.fail("expected a <NAME> in <VARIABLE>, found none")
    for kind in (element.attributes.get("TYPE", "nature"), *_texts(element, "TYPE")):
        if kind.casefold() not in ("nature", "discrete"):
            what = _REFUSED.get(kind.casefold(), f"of the type '{kind[:60]}'")
            element.fail(
                f"'{name}' is {what}; networks of discrete random variables alone can be read"
            )
    states: list[str] = []
    modality = note = None
    for child in element.children:
        if child.tag in ("OUTCOME", "VALUE"):
            states.append(child.text)
        elif child.tag == "PROPERTY":
            key, _, value = child.text.partition("=")
            if key.strip() == "modality":
                modality = value.strip()
            elif key.strip() == NOTE:
                note = value.strip()
        elif child.tag not in ("NAME", "TYPE"):
            child.fail(f"expected <OUTCOME> or <PROPERTY> in '{name}', found <{child.tag[:60]}>")
    file.declare(name, tuple(states), element.fail, modality, note)


def _texts(element: Element, tag: str) -> list[str]:
    return [child.text for child in element.children if child.tag == tag]


def _child(element: Element) -> str:
    """Return the one name in ``<FOR>``."""
    names = _texts(element, "FOR")
    if len(names) != 1:
        found = " ".join(names)[:60] or "none"
        element.fail(f"expected one <FOR> in <{element.tag}>, found {found}")
    for child in element.children:
        if child.tag not in ("FOR", "GIVEN", "TABLE", "PROPERTY"):
            child.fail(f"expected <GIVEN> or <TABLE> for '{names[0]}', found <{child.tag[:60]}>")
    return names[0]


def _factor(file: NetworkFile[Element], child: str, element: Element) -> Factor:
    names = (child, *_texts(element, "GIVEN"))
    variable, parents = file.family(names, element.fail, "the name of a variable")
    table = element.one("TABLE", child)
    if table is None:
        element.fail(f"expected a <TABLE> for '{child}', found none")
    if table.children:
        table.children[0].fail(
            f"expected numbers in the <TABLE> of '{child}', found <{table.children[0].tag[:60]}>"
        )
    return file.table(variable, parents, table.numbers(child), table.fail)


def write_xmlbif(net: BayesianNetwork, path: str | PathLike[str]) -> None:
    """Write a Bayesian network of tables to an XMLBIF file (gzipped where it ends in ``.gz``).

    Numbers are written with the digits that give back the same double, and what XMLBIF has no
    words for (modalities, families, states that are not strings, unprintable names) as properties,
    which other programs skip: a network in double precision whose rows sum to one within 1e-12 is
    read back to the last bit.

    Raises
    ------
    FormatError
        If a distribution is not a table, or the file cannot be written.
    """
    spelled = spelled_variables(net, XMLBIF, path)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<BIF VERSION="0.3">', "<NETWORK>"]
    lines.append("<NAME>network</NAME>")
    for variable in spelled.values():
        lines += _variable_lines(variable)
    for factor in net.factors:
        lines += _definition_lines(factor, spelled)
    write_text(path, "\n".join((*lines, "</NETWORK>", "</BIF>", "")))


def _variable_lines(variable: Spelled) -> Iterator[str]:
    yield '<VARIABLE TYPE="nature">'
    yield f"  <NAME>{escape(variable.name)}</NAME>"
    for state in variable.states:
        yield f"  <OUTCOME>{escape(state)}</OUTCOME>"
    for key, text in variable.properties.items():
        yield f"  <PROPERTY>{key} = {escape(text)}</PROPERTY>"
    yield "</VARIABLE>"


def _definition_lines(factor: Factor, spelled: Mapping[str, Spelled]) -> Iterator[str]:
    child, parents, table = conditional_values(factor, XMLBIF.format)
    yield "<DEFINITION>"
    yield f"  <FOR>{escape(spelled[child.name].name)}</FOR>"
    for parent in parents:
        yield f"  <GIVEN>{escape(spelled[parent.name].name)}</GIVEN>"
    rows = table.reshape(-1, child.cardinality).tolist()
    numbers = "\n    ".join(" ".join(map(repr, row)) for row in rows)
    yield f"  <TABLE>\n    {numbers}\n  </TABLE>"
    yield "</DEFINITION>"
