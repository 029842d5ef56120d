"""XMLBIF and bifxml: what they say, in any encoding, and what is refused."""

from __future__ import annotations

import gzip
from functools import partial

import pytest

import mmgraph as mm
from mmgraph.graph.errors import FormatError
from tests.formats import networks

A = "<VARIABLE><NAME>a</NAME><OUTCOME>yes</OUTCOME><OUTCOME>no</OUTCOME></VARIABLE>\n"
B = (
    '<VARIABLE TYPE="nature"><NAME> b </NAME><PROPERTY>position = (1, 2)</PROPERTY>'
    "<VALUE>p</VALUE><VALUE>q</VALUE><VALUE>r</VALUE></VARIABLE>\n"
)
ROOT = "<DEFINITION><FOR>a</FOR><TABLE>0.25 0.75</TABLE></DEFINITION>\n"
ROWS = [[0.5, 0.25, 0.25], [0.125, 0.5, 0.375]]


def file_of(body: str) -> str:
    return f'<?xml version="1.0"?>\n<BIF VERSION="0.3"><NETWORK>\n{body}</NETWORK></BIF>'


net_of = partial(networks.net_of, name="n.xml")
error_of = partial(networks.error_of, name="n.xml")


@pytest.mark.parametrize(
    "definition",
    [
        "<DEFINITION><FOR>b</FOR><GIVEN>a</GIVEN><TABLE>.5 .25 .25 .125 .5 .375</TABLE>"
        "</DEFINITION>",
        "<DEFINITION><GIVEN>a</GIVEN><FOR>b</FOR><TABLE>5e-1 0.25\n0.25 <!-- no --> 0.125 0.5 0.375"
        "</TABLE><PROPERTY>by hand</PROPERTY></DEFINITION>",
        "<PROBABILITY><FOR> b\n</FOR><GIVEN>a</GIVEN><TABLE><![CDATA[.5 .25 .25 .125 .5 .375]]>"
        "</TABLE></PROBABILITY>",
    ],
)
@pytest.mark.parametrize("name", ["n.xml", "n.xmlbif", "n.bifxml"])
def test_every_way_to_say_the_same_table(tmp_path, definition, name):
    net = net_of(tmp_path, file_of(A + B + ROOT + definition), name=name)
    assert net.variable("b").labels == ("p", "q", "r")
    assert net.distribution("b").values.tolist() == ROWS
    assert net.distribution("a").values.tolist() == [0.25, 0.75]


def test_the_child_moves_fastest_and_then_the_last_given(tmp_path):
    text = A + B + ROOT
    text += "<DEFINITION><FOR>b</FOR><TABLE>0.5 0.25 0.25</TABLE></DEFINITION>"
    text += "<VARIABLE><NAME>c</NAME><OUTCOME>u</OUTCOME><OUTCOME>v</OUTCOME></VARIABLE>"
    text += "<DEFINITION><FOR>c</FOR><GIVEN>a</GIVEN><GIVEN>b</GIVEN>"
    text += "<TABLE>.1 .9 .2 .8 .3 .7 .4 .6 .5 .5 .6 .4</TABLE></DEFINITION>"
    values = net_of(tmp_path, file_of(text)).distribution("c").values
    assert values[..., 0].tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]


def test_properties_are_free_text(tmp_path):
    net = net_of(
        tmp_path,
        '<!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> <!ATTLIST BIF VERSION CDATA "0"> ]>'
        "<BIF><NETWORK><NAME>n</NAME><PROPERTY>made in a hurry</PROPERTY><PROPERTY/>"
        "<VARIABLE TYPE='nature'><NAME>a</NAME><TYPE>discrete</TYPE><PROPERTY>modality = a camera"
        "</PROPERTY><PROPERTY>= ; {</PROPERTY><OUTCOME>p &lt; 1</OUTCOME><OUTCOME>q</OUTCOME>"
        "</VARIABLE><DEFINITION><FOR>a</FOR><TABLE>1 0</TABLE></DEFINITION></NETWORK></BIF>",
    )
    assert net.variable("a").labels == ("p < 1", "q")
    assert net.variable("a").modality == "a camera"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "koi8-r"])
def test_the_encoding_is_the_one_that_is_declared(tmp_path, encoding):
    name, body = ("дом", "") if encoding == "koi8-r" else ("été", "")
    body = f"<VARIABLE><NAME>{name}</NAME><OUTCOME>x</OUTCOME></VARIABLE>"
    body += f"<DEFINITION><FOR>{name}</FOR><TABLE>1</TABLE></DEFINITION>"
    text = f'<?xml version="1.0" encoding="{encoding}"?><BIF><NETWORK>{body}</NETWORK></BIF>'
    assert list(net_of(tmp_path, text.encode(encoding)).variables) == [name]
    (tmp_path / "n.xml.gz").write_bytes(gzip.compress(text.encode(encoding)))
    assert list(mm.read(tmp_path / "n.xml.gz").variables) == [name]


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        (A + A, 4, "the variable 'a' is given twice"),
        (A + ROOT + ROOT, 5, "the distribution of 'a' is given twice"),
        ("<VARIABLE><OUTCOME>x</OUTCOME></VARIABLE>", 3, "expected a <NAME> in <VARIABLE>"),
        ("<VARIABLE><NAME>a</NAME></VARIABLE>", 3, "needs at least one state"),
        (A.replace("yes", "no"), 3, "state 'no' is given twice"),
        (A.replace("<VAR", "\n<VAR").replace("<NAME", "\n<NAME>b</NAME><NAME"), 5, "given twice"),
        (A.replace("VARIABLE>", 'VARIABLE TYPE="decision">', 1), 3, "'a' is a decision"),
        (A.replace("VARIABLE>", 'VARIABLE TYPE="utility">', 1), 3, "'a' is a utility"),
        (A.replace("VARIABLE>", 'VARIABLE TYPE="gaussian">', 1), 3, "of the type 'gaussian'"),
        (A.replace("OUTCOME", "RESULT"), 3, "expected <OUTCOME> or <PROPERTY> in 'a', found <RES"),
        ("<EDGE/>", 3, "expected <VARIABLE> or <DEFINITION>, found <EDGE>"),
        (A + ROOT.replace("<FOR>a</FOR>", ""), 4, "expected one <FOR> in <DEFINITION>, found none"),
        (A + ROOT.replace("<FOR>", "<FOR>b</FOR><FOR>"), 4, "expected one <FOR> in <DEFINITION>"),
        (A + ROOT.replace(">a<", ">aa<"), 4, "found 'aa'; did you mean 'a'?"),
        (A + ROOT.replace("<TABLE>", "<GIVEN>a</GIVEN><TABLE>"), 4, "'a' stands twice"),
        (A + "<DEFINITION><FOR>a</FOR></DEFINITION>", 4, "expected a <TABLE> for 'a', found none"),
        (A + ROOT.replace("<TABLE>", "<TABLE/><TABLE>"), 4, "<TABLE> of 'a' is given twice"),
        (A + ROOT.replace("0.25", "<ENTRY/>"), 4, "expected numbers in the <TABLE> of 'a', found"),
        (A + ROOT.replace("TABLE", "CPT"), 4, "expected <GIVEN> or <TABLE> for 'a', found <CPT>"),
        (A + ROOT.replace("0.25", "half"), 4, "expected a number in <TABLE> of 'a', found 'half'"),
        (A + ROOT.replace("0.25", "nan"), 4, "expected a number in <TABLE> of 'a', found 'nan'"),
        (A + ROOT.replace("0.25", "1 2"), 4, "expected 2 numbers in the table of 'a', found 3"),
        (A + ROOT.replace("0.25", "0.5"), 4, "the distribution of 'a' sums to 1.25, not 1"),
        (A.replace("<OUTCOME>", "<PROPERTY>mmgraph = x</PROPERTY><OUTCOME>", 1), 3, "is damaged"),
    ],
)
def test_the_message_gives_line_and_reason(tmp_path, body, line, message):
    found = error_of(tmp_path, file_of(body))
    assert f"line {line}:" in found
    assert message in found, found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected well-formed XML (no element found)"),
        ("<BIF>\n<NETWORK></BIF>", "line 2: expected well-formed XML (mismatched tag)"),
        ("<BIF>\n</BIF>", "line 1: expected one <NETWORK> in <BIF>, found nothing"),
        ("<BIF><NETWORK/><NETWORK/></BIF>", "expected one <NETWORK> in <BIF>, found <NETWORK>, "),
        ("<smile/>", "line 1: expected the root <BIF>, found <smile>"),
        ("<BIF><NETWORK/></BIF>", "expected a <VARIABLE>, found none"),
        (file_of(A), "no conditional distribution for a"),
        ('<?xml version="1.0" encoding="klingon"?><BIF/>', "line 1: expected "),
        ('<?xml version="1.0" encoding="bz2"?><BIF/>', "line 1: expected "),
        (b"<BIF>\n<NETWORK>\xe9</NETWORK></BIF>", "line 2: expected well-formed XML"),
        ("<a>" * 100 + "</a>" * 100, "n.xml, line 1: elements are nested deeper than 64"),
        (
            "<!DOCTYPE x [<!ENTITY e 'x'>]>\n<BIF>&e;</BIF>",
            "n.xml, line 1: the entity 'e' is declared",
        ),
        (
            "<!DOCTYPE x [\n<!ENTITY % e SYSTEM 'file:///etc/passwd'> %e;]><BIF/>",
            "n.xml, line 2: the entity",
        ),
    ],
)
def test_files_that_are_no_network(tmp_path, text, message):
    found = error_of(tmp_path, text)
    assert message in found
    assert ("known encoding" in found) == ("encoding" in str(text))


@pytest.mark.parametrize("root", ["BIF", "smile"])
def test_entities_are_not_expanded(tmp_path, root):
    entities = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 9))
    text = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><{root}>&e8;</{root}>'
    (tmp_path / "n.xml").write_text(text)
    (tmp_path / "n.xdsl").write_text(text)
    for name in ("n.xml", "n.xdsl"):
        with pytest.raises(FormatError, match="entities are not expanded here"):
            mm.read(tmp_path / name)


def test_attributes_of_the_document_type_are_not_multiplied(tmp_path):
    # Ten thousand elements with a default attribute of a megabyte would be ten gigabytes.
    default = f'<!ATTLIST b a CDATA "{"x" * 2**20}">'
    error_of(tmp_path, f"<!DOCTYPE BIF [{default}]><BIF>{'<b/>' * 10_000}</BIF>")
