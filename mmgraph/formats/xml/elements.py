"""XML as a tree whose elements know their lines, read so that no file can fill the memory.

Entities are not expanded: a few nested ones would be larger than any memory. Attributes that only a
document type gives are left out for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import NoReturn
from xml.parsers import expat

import numpy as np
from jaxtyping import Float64

from mmgraph.formats.files import SIZE_LIMIT, read_bytes
from mmgraph.formats.text import Fail, decimal_numbers, is_number
from mmgraph.graph.errors import FormatError

_DEEPEST = 64


@dataclass(slots=True)
class Element:
    """An element of an XML file, which begins on a line of it.

    Its children come without comments and processing instructions; ``pieces`` are the text directly
    in it.
    """

    path: str | PathLike[str]
    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text directly in the element, without blanks around it."""
        return "".join(self.pieces).strip()

    @property
    def fail(self) -> Fail:
        """Raises the error that names the file and this line."""
        return partial(_fail, self.path, self.line)

    def attribute(self, name: str, what: str) -> str:
        """Return an attribute that must be there."""
        if name not in self.attributes:
            self.fail(f"expected the attribute '{name}' ({what}) of <{self.tag}>, found none")
        return self.attributes[name]

    def one(self, tag: str, owner: str) -> Element | None:
        """Return the one child of that tag, or None; several are an error."""
        children = [child for child in self.children if child.tag == tag]
        if len(children) > 1:
            children[1].fail(f"<{tag}> of '{owner}' is given twice")
        return children[0] if children else None

    def numbers(self, owner: str) -> Float64[np.ndarray, " numbers"]:
        """Return the decimal numbers that the element holds, separated by blanks."""
        numbers = decimal_numbers(self.text)
        if numbers is None:
            wrong = next(piece for piece in self.text.split() if not is_number(piece))
            self.fail(f"expected a number in <{self.tag}> of '{owner}', found {wrong[:40]!r}")
        return numbers


def _fail(path: str | PathLike[str], line: int, problem: str) -> NoReturn:
    raise FormatError(f"{path}, line {line}: {problem}")


def read_xml(path: str | PathLike[str], root: str, size_limit: int = SIZE_LIMIT) -> Element:
    """Return the root of an XML file, in the encoding that it declares.

    The root has the tag that is asked for, in upper or lower case; entities are refused.
    """
    content = read_bytes(path, size_limit)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.specified_attributes = True
    document = Element(path, "", {}, 1)
    open_elements = [document]

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(open_elements) > _DEEPEST:
            _fail(path, parser.CurrentLineNumber, f"elements are nested deeper than {_DEEPEST}")
        element = Element(path, tag, attributes, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def refuse_entity(name: str, *_: object) -> None:
        problem = f"the entity '{name[:60]}' is declared, and entities are not expanded here"
        _fail(path, parser.CurrentLineNumber, problem)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: open_elements.pop()
    parser.CharacterDataHandler = lambda text: open_elements[-1].pieces.append(text)
    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        _fail(path, error.lineno, f"expected well-formed XML ({expat.ErrorString(error.code)})")
    except FormatError:  # which is a ValueError, and says what is wrong
        raise
    except (LookupError, ValueError) as error:  # an encoding that Python lacks or cannot map
        _fail(path, 1, f"expected a known encoding ({error})")
    (element,) = document.children
    if element.tag.casefold() != root.casefold():
        element.fail(f"expected the root <{root}>, found <{element.tag[:60]}>")
    return element
