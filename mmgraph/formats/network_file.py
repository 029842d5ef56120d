"""A Bayesian network put together from the blocks of a file, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, Generic, TypeVar

from mmgraph.formats.notes import Spelling, annotated
from mmgraph.formats.rows import LARGEST_RANK
from mmgraph.formats.tables import TableBuilder
from mmgraph.formats.text import Fail, nearest
from mmgraph.graph.errors import FormatError, GraphError
from mmgraph.graph.factor import Factor
from mmgraph.graph.variable import Label, Variable
from mmgraph.networks.bayesian_network import BayesianNetwork

Block = TypeVar("Block")


class NetworkFile(TableBuilder, Generic[Block]):
    """The variables and the distributions of a file, by the names that the file gives them.

    Parameters
    ----------
    path : path
    declaration : str
        What declares a variable, for the message that there is none.
    repeated : str
        The message about a name that is declared twice, with braces for the name.
    spelling : Spelling, optional
        How names are spelled, where the format has notes of what they truly are.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        declaration: str = "a block 'node'",
        repeated: str = "the node '{}' is given twice",
        spelling: Spelling | None = None,
    ) -> None:
        super().__init__()
        self.path, self.declaration, self.repeated = path, declaration, repeated
        self.spelling = spelling
        self.variables: dict[str, Variable] = {}
        self.distributions: dict[str, Block] = {}
        self._true_names: set[str] = set()

    def declare(
        self,
        name: str,
        states: int | tuple[Label, ...],
        fail: Fail,
        modality: str | None = None,
        note: str | None = None,
        family: Any = "categorical",
    ) -> None:
        """Add a variable, which a note may rename."""
        try:
            variable = Variable(name, states, modality=modality or None, family=family)
        except GraphError as error:
            fail(str(error))
        if note is not None and self.spelling is not None:
            variable = annotated(variable, note, self.spelling, fail)
        if name in self.variables:
            fail(self.repeated.format(name))
        if variable.name in self._true_names:
            fail(f"a second variable is called '{variable.name}'")
        self._true_names.add(variable.name)
        self.variables[name] = variable

    def distribute(self, child: str, block: Block, fail: Fail, what: str = "distribution") -> None:
        """Add the block that gives the distribution of a variable."""
        if child in self.distributions:
            fail(f"the {what} of '{child}' is given twice")
        self.distributions[child] = block

    def order(self, names: Sequence[str]) -> None:
        """Put the variables and their distributions in the order of these names."""
        self.variables = {name: self.variables[name] for name in names}
        self.distributions = {name: self.distributions[name] for name in names}

    def family(
        self,
        names: Sequence[str],
        fail: Fail,
        what: str = "the name of a node",
        where: str = "the distribution of '{}'",
    ) -> tuple[Variable, list[Variable]]:
        """Return the variables of a child and its parents, none of which may stand twice."""
        for name in names:
            if name not in self.variables:
                fail(f"expected {what}, found '{name[:60]}'{nearest(name, self.variables)}")
        child, *parents = (self.variables[name] for name in names)
        if len(parents) >= LARGEST_RANK:
            fail(f"'{child.name}' has more than {LARGEST_RANK - 1} parents")
        for i, parent in enumerate(parents):
            if parent in (child, *parents[:i]):
                fail(f"'{parent.name}' stands twice in {where.format(child.name)}")
        return child, parents

    def network(self, factor: Callable[[str, Block], Factor]) -> BayesianNetwork:
        """Return the network, each distribution made of its child's name and its block."""
        if not self.variables:
            raise FormatError(f"{self.path}: expected {self.declaration}, found none")
        factors = [factor(child, block) for child, block in self.distributions.items()]
        try:
            return BayesianNetwork(self.variables.values(), factors)
        except GraphError as error:
            raise FormatError(f"{self.path}: {error}") from None
