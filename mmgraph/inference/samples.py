"""What sampling returns: draws of every variable, as labels to read and as indices to compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmgraph.graph.errors import UnknownVariableError, needs, suggestion
from mmgraph.graph.evidence import Evidence
from mmgraph.graph.state_labels import MISSING
from mmgraph.graph.variable import Variable, element_names

if TYPE_CHECKING:
    import pandas


class Samples(Mapping[str, np.ndarray]):
    """Draws by variable: ``samples["rain"]`` holds labels, as evidence and ``fit`` read them.

    Of a discrete variable the labels of its states, of a continuous one its values, in shape
    ``(draws, *shape)``, or ``(batch, draws, *shape)`` where the evidence has several rows. Beyond
    the ends of shorter sequences labels are None.

    Parameters
    ----------
    variables : mapping of str to Variable
        Those of the model.
    codes : dict of str to Tensor
        The draws; see the attribute.
    batch : int or None
        The rows of evidence, if the draws have an axis of them.

    Attributes
    ----------
    codes : dict of str to Tensor
        The draws as tensors on the device that drew them: state indices of discrete variables,
        values of continuous ones. Where labels are themselves numbers, mark indices with
        :func:`mmgraph.index` before they are used as evidence.
    """

    def __init__(
        self,
        variables: Mapping[str, Variable],
        codes: Mapping[str, Tensor],
        batch: int | None = None,
    ) -> None:
        self.codes = dict(codes)
        self.batch = batch
        self._variables = {name: variables[name] for name in self.codes}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.codes:
            hint = suggestion(name, self.codes)
            raise UnknownVariableError(f"the samples hold no variable {name!r}{hint}")
        values = self.codes[name].detach().cpu().numpy()
        variable = self._variables[name]
        if not variable.is_discrete or isinstance(variable.states, int):
            return values
        labels = label_array(variable)
        if (values == MISSING).any():  # beyond the end of a sequence
            labels = np.array([*labels.tolist(), None], object)
        return labels[values]

    def __iter__(self) -> Iterator[str]:
        return iter(self.codes)

    def __len__(self) -> int:
        return len(self.codes)

    def columns(self) -> dict[str, np.ndarray]:
        """Return the draws, one a row: those of several rows of evidence one row's after another's.

        Labels and values, ``(rows, *shape)`` for each variable.
        """
        return {n: self[n] if self.batch is None else np.concatenate(self[n]) for n in self}

    def to_frame(self) -> pandas.DataFrame:
        """Return one line a draw and one column a variable (``x[0,1]`` for elements of arrays).

        Where the evidence has several rows, the first column, ``row``, says whose draw it is
        (``input_row`` if a variable has that name).

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        with needs("data", "pandas", "a data frame of samples"):
            import pandas
        columns: dict[str, Any] = {}
        draws = 0
        for name, values in self.columns().items():
            draws = len(values)
            elements = element_names(self._variables[name])
            columns.update(zip(elements, values.reshape(draws, -1).T, strict=True))
        if self.batch is not None:
            rows = np.repeat(np.arange(self.batch), draws // self.batch)
            columns = {row_column(columns): rows} | columns
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        shape = next(iter(self.codes.values())).shape[: 1 if self.batch is None else 2]
        draws = " × ".join(map(str, shape))
        return f"Samples({len(self)} variables, {draws} draws)"


def row_column(names: Iterable[str]) -> str:
    """Return ``row``, or a longer name where a column has that one."""
    taken, name = set(names), "row"
    while name in taken:
        name = f"input_{name}"
    return name


def label_array(variable: Variable) -> np.ndarray:
    """Return the labels of a variable's states as an array, which indices pick from."""
    labels = variable.labels
    if len({type(label) for label in labels}) == 1:
        return np.array(labels)
    array = np.empty(len(labels), dtype=object)
    array[:] = labels
    return array


def continuous_samples(
    factor: Any,
    evidence: Evidence,
    parents: dict[str, Int64[Tensor, " rows"]],
    draws: int,
    generator: torch.Generator | None,
) -> Float[Tensor, "batch draws *shape"]:
    """Return values of a continuous leaf: drawn where missing, as observed elsewhere.

    Each row of evidence is drawn for ``draws`` times; the parents have a state for each draw.
    """
    drawn = factor.sample(parents, generator, rows=evidence.batch * draws)
    values = evidence.values.get(factor.child.name)
    if values is not None:
        observed = values.to(drawn).repeat_interleave(draws, dim=0).reshape(drawn.shape)
        missing = observed.isnan().reshape(len(observed), -1)
        if bool((missing.any(1) & ~missing.all(1)).any()):
            drawn = factor.sample_given(parents, observed, generator)
        drawn = torch.where(observed.isnan(), drawn, observed)
    return drawn.reshape(evidence.batch, draws, *factor.child.shape)
