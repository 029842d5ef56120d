"""The command that recognises spoken commands in a file or a stream: listen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mmgraph.cli.common import JsonOption, print_json
from mmgraph.graph.errors import FormatError

if TYPE_CHECKING:
    import numpy as np

    from mmgraph.sequences.commands.command_model import Recognition
    from mmgraph.sequences.commands.listener import Listener
    from mmgraph.sequences.commands.recogniser import CommandRecogniser

_STEP = 0.1
"""Seconds of a stream that are heard at a time."""


def listen(
    model: Annotated[str, typer.Argument(help="A recogniser, such as `mmgraph run` has written.")],
    audio: Annotated[
        str,
        typer.Argument(help="An audio file, or - for samples of 16 bits on standard input."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Recognise the commands in an audio file or a stream, and say when and how surely.

    A stream is one channel of raw little-endian integers at the rate of the model (8000 Hz unless
    it was told another); answers are printed as speech ends. Each line has the seconds from and to,
    the confidence, and the command, or what is nearest to speech that is none.

    Example: arecord -f S16_LE -r 8000 | mmgraph listen spoken_commands_run/recogniser.mmgraph -
    """
    recogniser = _read_recogniser(model)
    listener = recogniser.listen()
    heard = []
    for answer in _answers(recogniser, listener, audio):
        if as_json:
            heard.append(_record(answer))
        else:
            typer.echo(_line(answer))
    if as_json:
        print_json({"model": model, "seconds": listener.seconds, "commands": heard})


def _answers(
    recogniser: CommandRecogniser, listener: Listener, audio: str
) -> Iterator[Recognition]:
    for samples in _samples(recogniser, audio):
        yield from listener.step(samples)
    yield from listener.finish()


def _samples(recogniser: CommandRecogniser, audio: str) -> Iterator[np.ndarray]:
    import numpy as np

    size = round(_STEP * recogniser.rate)
    if audio == "-":
        while content := sys.stdin.buffer.read(2 * size):
            yield np.frombuffer(content[: len(content) // 2 * 2], "<i2")
        return
    from mmgraph.sequences.commands.audio import at_rate

    samples = at_rate(audio, recogniser.rate)
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def _line(answer: Recognition) -> str:
    start, end = answer.words[0].start, answer.words[-1].end
    said = answer.command or f"no command (nearest: {answer.nearest})"
    return f"{start:8.2f} {end:8.2f}  {answer.confidence:.3f}  {said}"


def _record(answer: Recognition) -> dict[str, object]:
    words = [one._asdict() for one in answer.words]
    return {**answer._asdict(), "words": words}


def _read_recogniser(name: str) -> CommandRecogniser:
    import mmgraph
    from mmgraph.sequences.commands.recogniser import CommandRecogniser

    model = mmgraph.read(name)
    if not isinstance(model, CommandRecogniser):
        kind = getattr(type(model), "file_kind", type(model).__name__)
        raise FormatError(f"{name} holds a {kind}, and no recogniser of commands")
    return model
