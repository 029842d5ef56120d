"""What ``sample`` draws from models of sequences: a line for each step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgraph.cli.answers import Columns
from mmgraph.cli.sequences.answers import SEQUENCE, read_steps
from mmgraph.cli.sequences.columns import element_names
from mmgraph.graph.errors import EvidenceError

if TYPE_CHECKING:
    from mmgraph.inference.samples import Samples
    from mmgraph.inference.sequence_model import SequenceModel


def sequence_draws(
    model: SequenceModel,
    draws: int,
    length: int | None,
    file: Path | None,
    seed: int,
    method: str,
    **reading: Any,
) -> Iterator[Columns]:
    """Draw sequences of a length, or paths given those in a file, and yield columns of steps.

    ``sequence`` is the number of a draw, or the name in the file, which ``draw`` stands beside.
    Features are called as :func:`~mmgraph.cli.sequences.answers.answer_sequences` reads them.
    """
    import torch

    import mmgraph

    generator = torch.Generator().manual_seed(seed)
    if (length is None) == (file is None):
        raise EvidenceError(
            "sequences are drawn of so many steps, --length 100, or given others in a file, "
            "--evidence-file steps.csv: say one of them"
        )
    if file is None:
        drawn = mmgraph.sample(model, draws, None, generator, method, length=length)
        for draw in range(draws):
            yield {SEQUENCE: [str(draw + 1)] * int(length or 0)} | _columns(model, drawn, draw)
        return
    evidence, steps = read_steps(model, file, **reading)
    drawn = mmgraph.sample(model, draws, evidence, generator, method)
    for number, (name, part) in enumerate(zip(steps.names, steps.parts, strict=True)):
        length = part.stop - part.start
        for draw in range(draws):
            place = (draw,) if drawn.batch is None else (number, draw)
            columns = _columns(model, drawn, *place)
            head: Columns = {SEQUENCE: [name] * length, "draw": [draw + 1] * length}
            yield head | {n: cells[:length] for n, cells in columns.items()}


def _columns(model: Any, drawn: Samples, *place: int) -> Columns:
    """The steps of one draw, an element of an array a column."""
    learned = getattr(model, "columns", {})
    found: Columns = {}
    for name in drawn:
        values = drawn[name][place]
        if values.ndim == 1:
            found[name] = values.tolist()
            continue
        flat = values.reshape(len(values), -1)
        own = learned.get(name, learned.get("") if name == "rows" else None)
        names = own or element_names(name, values.shape[1:])
        found |= dict(zip(names, flat.T.tolist(), strict=True))
    return found
