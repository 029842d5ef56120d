"""Graphs in the language of dagitty (Textor et al. 2016): ``dag { x -> y; x <-> z }``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from mmgraph.causal.graph.causal_graph import HIDDEN_CAUSE, CausalGraph, Edge
from mmgraph.formats.files import read_text
from mmgraph.formats.resolve import model_folders
from mmgraph.formats.text import Token, TokenReader
from mmgraph.graph.errors import FormatError, GraphError, MissingExtraError, suggestion
from mmgraph.interop.causal_graphs import hidden_causes

ROLES = ("exposure", "outcome", "latent", "adjusted", "selected")
"""The attributes of nodes that say something; others, positions among them, are passed over."""

_ROLE_OF = {
    **{role: role for role in ROLES},
    **{"e": "exposure", "o": "outcome", "l": "latent", "u": "latent", "unobserved": "latent"},
    **{"a": "adjusted", "s": "selected", "source": "exposure", "target": "outcome"},
}

_TOKENS = re.compile(
    r"""
      (?P<blank>\s++)
    | (?P<comment>(?://|\#)[^\n]*+ | /\*.*?\*/)
    | (?P<open>/\*)
    | (?P<quoted>"[^"\\]*+(?:\\.[^"\\]*+)*+")
    | (?P<quote>")
    | (?P<mark><->|->|<-|--|@-@|@->|<-@|@--|--@|[{}\[\];,=<>])
    | (?P<word>(?:[^\s"{}\[\];,=<>-]|-(?![->]))++)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class DagittyGraph:
    """What a text of dagitty says.

    Attributes
    ----------
    graph : CausalGraph
        Of the observed variables, latent ones projected out.
    roles : dict of str to tuple of str
        The variables of each role in ``ROLES`` that occurs.
    """

    graph: CausalGraph
    roles: dict[str, tuple[str, ...]]


def read_dagitty(source: str | PathLike[str]) -> DagittyGraph:
    """Return the graph of a dagitty text, a file, or a published graph that pgmpy ships.

    Parameters
    ----------
    source : str or path
        A text with ``{``; a path; or a name such as ``"Acid_1996"`` (needs the extra ``interop``).

    Raises
    ------
    FormatError
        If the text is no directed graph of dagitty (which line, and what was expected there), its
        edges have a cycle, or there is no such file and no such name.
    MissingExtraError
        If there is no such file and pgmpy is not installed.
    """
    if isinstance(source, str) and "{" in source:
        path: str | Path = "the dagitty text"
        text = source
    else:
        path = _place(source)
        text = read_text(path)
    return _Parser(path, text).graph()


def published_graphs() -> dict[str, Path]:
    """Return the files of the graphs in dagitty's language that pgmpy ships, by their names."""
    files = (f for folder in model_folders() if folder.is_dir() for f in folder.glob("*.txt"))
    return {file.stem: file for file in sorted(files)}


def _place(source: str | PathLike[str]) -> Path:
    path = Path(source)
    if path.exists():
        return path
    published = published_graphs()
    if path.name == str(source) and str(source) in published:
        return published[str(source)]
    if not published:
        raise MissingExtraError("interop", "pgmpy", f"the published graph '{source}'")
    raise FormatError(
        f"there is no file {source}, and no published graph of this name"
        f"{suggestion(source, published)}"
    )


@dataclass
class _Parser:
    """The statements of one text, read into nodes with their roles, and edges."""

    path: str | Path
    text: str
    roles: dict[str, dict[str, None]] = field(default_factory=dict)
    nodes: dict[str, None] = field(default_factory=dict)
    directed: dict[Edge, None] = field(default_factory=dict)
    bidirected: dict[frozenset[str], None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reader = TokenReader(self.path, self.text, tokens=_TOKENS)

    def graph(self) -> DagittyGraph:
        """Return the graph of the whole text."""
        reader = self.reader
        reader.word("dag", "at the beginning")
        if reader.peek().is_name:
            reader.next()
        reader.mark("{", "after 'dag'")
        while not reader.skip("}"):
            self._statement()
        end = reader.next()
        if end.kind != "end":
            reader.fail(end.start, f"expected nothing after the last '}}', found {end}")
        latent = [*self.roles.get("latent", {})]
        pairs = ((a, b) for a, b in map(sorted, self.bidirected))
        causes = hidden_causes(self.nodes, pairs, *HIDDEN_CAUSE)
        arrows = [*self.directed, *((h, n) for h, pair in causes.items() for n in pair)]
        try:
            graph = CausalGraph.projected([*self.nodes, *causes], arrows, [*latent, *causes])
        except GraphError as error:
            raise FormatError(f"{self.path}: {error}") from None
        return DagittyGraph(graph, {r: tuple(self.roles[r]) for r in ROLES if r in self.roles})

    def _statement(self) -> None:
        """Move past an attribute of the graph, a node, or a chain of edges."""
        reader = self.reader
        if reader.skip(";"):
            return
        first = self._ends()
        if len(first) == 1 and reader.skip("="):
            reader.name(f"the value of '{first[0].text}'")
            return
        self.nodes.update(dict.fromkeys(t.text for t in first))
        chained = False
        while reader.at("->", "<-", "<->", "--", "@-@", "@->", "<-@", "@--", "--@"):
            arrow = reader.next()
            if arrow.text not in ("->", "<-", "<->"):
                reader.fail(arrow.start, f"expected '->', '<-' or '<->' in a dag, found {arrow}")
            second = self._ends()
            self.nodes.update(dict.fromkeys(t.text for t in second))
            self._connect(first, arrow, second)
            first, chained = second, True
        attributes = list(self._attributes())
        if not chained:
            for name in attributes:
                if name in _ROLE_OF:
                    self.roles.setdefault(_ROLE_OF[name], {}).update((t.text, None) for t in first)

    def _ends(self) -> list[Token]:
        """Move past a name, or several in braces."""
        reader = self.reader
        if not reader.skip("{"):
            return [reader.name("the name of a variable, '{' or '}'")]
        names = []
        while not reader.skip("}"):
            names.append(reader.name("the name of a variable or '}'"))
            reader.skip(",")
            reader.skip(";")
        return names

    def _connect(self, first: list[Token], arrow: Token, second: list[Token]) -> None:
        for one in first:
            for other in second:
                a, b = one.text, other.text
                if a == b:
                    self.reader.fail(arrow.start, f"an edge joins '{a}' to itself")
                if arrow.text == "<->":
                    self.bidirected[frozenset((a, b))] = None
                else:
                    self.directed[(a, b) if arrow.text == "->" else (b, a)] = None

    def _attributes(self) -> Iterator[str]:
        """Move past ``[name, name=value …]`` if that comes next; the names."""
        reader = self.reader
        if not reader.skip("["):
            return
        while not reader.skip("]"):
            yield reader.name("an attribute or ']'").text
            if reader.skip("="):
                reader.name("the value of the attribute")
            if not reader.at("]"):
                reader.skip(",") or reader.skip(";")
