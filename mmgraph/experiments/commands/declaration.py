"""The declaration of a job of spoken commands: grammar, recogniser, who is left out."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mmgraph.experiments.reader import Reader, ReadyModel, entry
from mmgraph.graph.errors import FormatError
from mmgraph.sequences.commands.acoustic_model import EMISSIONS
from mmgraph.sequences.commands.grammar import Grammar


def _rules(reader: Reader, table: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The rules of a grammar, in a form that does not change."""
    if not isinstance(table, dict):
        raise reader.error("[grammar] is no table")
    try:
        return tuple(Grammar(table).rules.items())
    except (FormatError, TypeError) as error:
        raise reader.error(f"[grammar]: {error}") from None


@dataclass(frozen=True)
class RecogniserDeclaration:
    """The settings of :class:`~mmgraph.sequences.commands.recogniser.CommandRecogniser`."""

    emission: str = entry("neural", among=EMISSIONS)
    components: int = entry(4, within=(1, 64))
    steps: int = entry(900, within=(1, 10**6))
    rate: int = entry(8000, within=(4000, 10**6))


@dataclass(frozen=True, kw_only=True)
class CommandsDeclaration(ReadyModel):
    """A ready model of the kind ``commands``.

    Attributes
    ----------
    grammar : tuple of (str, tuple of str)
        Rules, as :class:`~mmgraph.sequences.commands.grammar.Grammar` takes them.
    recogniser : RecogniserDeclaration
    folds, seed : int
        Into how many parts the speakers are cut, each left out once.
    languages : tuple of str
        Of the digits that voices of Asterisk say, each of whom is left out once.
    pairs : tuple of str
        Languages of which two voices of Asterisk say words, which are known by the other's.
    word_voices, word_steps : int
        Voices of eSpeak NG, and gradient steps, by which a network learns the phones of words.
    voices : int
        How many voices of eSpeak NG are heard beside them.
    """

    grammar: tuple[tuple[str, tuple[str, ...]], ...] = entry(read=_rules)
    recogniser: RecogniserDeclaration
    folds: int = entry(4, table="validation", within=(2, 1000))
    seed: int = entry(0, table="validation", within=(0, 2**31))
    languages: tuple[str, ...] = entry((), table="digits", among=("en", "es", "fr", "it", "ru"))
    pairs: tuple[str, ...] = entry((), table="digits", among=("es", "fr", "it"))
    word_voices: int = entry(8, table="digits", within=(4, 100))
    word_steps: int = entry(600, table="digits", within=(1, 10**6))
    voices: int = entry(8, table="digits", within=(0, 100))

    @property
    def rules(self) -> Grammar:
        """The grammar."""
        return Grammar(dict(self.grammar))


def read_commands(name: str | os.PathLike[str]) -> CommandsDeclaration:
    """Read the declaration of a job of spoken commands."""
    reader = Reader(name)
    reader.only("kind", "title", "data", "grammar", "recogniser", "validation", "digits")
    return reader.declaration(CommandsDeclaration)
