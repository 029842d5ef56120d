"""Which commands there are: word sequences with alternatives, options, repeats and named rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from mmgraph.graph.errors import FormatError, suggestion
from mmgraph.sequences.commands.chain import WordArc, WordNetwork

_TOKEN = re.compile(r"\s*(?:<([^<>\s]+)>|([^\s()\[\]|+*<>]+)|([()\[\]|+*]))")
_MAX_NODES = 20_000
Forms = str | Sequence[str]


class Grammar:
    """The commands that can be told, as a deterministic network of words.

    Parameters
    ----------
    commands : str, sequence of str, or mapping of str to either
        Forms such as ``"turn the (lamp | radio) (on | off)"``: ``( | )`` are alternatives, ``[ ]``
        may be left out, ``+`` repeats what stands before it once or more, ``*`` not at all or more,
        and ``<name>`` is any form of that rule. A mapping, such as a table of TOML, holds rules, of
        which ``command`` is where commands begin.

    Raises
    ------
    FormatError
        If a form cannot be read (which, and where), names a rule that there is not (with the
        nearest one) or itself, or no word need be said.
    """

    def __init__(self, commands: Forms | Mapping[str, Forms]) -> None:
        rules = commands if isinstance(commands, Mapping) else {"command": commands}
        self.rules: dict[str, tuple[str, ...]] = {
            str(name): (forms,) if isinstance(forms, str) else tuple(forms)
            for name, forms in rules.items()
        }
        self.network = _Builder(self.rules).network()

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, in alphabetical order."""
        return tuple(sorted({arc.word for arc in self.network.arcs}))

    def accepts(self, words: Sequence[str]) -> bool:
        """Whether these words are a command."""
        return (path := self.path(words)) is not None and self._end(path) in self.network.accepting

    def path(self, words: Sequence[str]) -> list[int] | None:
        """Return the arcs along which words lead from the start; None where they cannot follow."""
        node, path = 0, []
        for word in words:
            found = self._moves.get((node, word))
            if found is None:
                return None
            path.append(found)
            node = self.network.arcs[found].target
        return path

    def _end(self, path: list[int]) -> int:
        return self.network.arcs[path[-1]].target if path else 0

    @cached_property
    def _moves(self) -> dict[tuple[int, str], int]:
        return {(arc.source, arc.word): number for number, arc in enumerate(self.network.arcs)}


class _Builder:
    """Reads forms into an automaton with empty moves (Thompson 1968), and makes it deterministic.

    The text of a form is read by recursive descent; each part leads from a node to another.
    """

    def __init__(self, rules: Mapping[str, tuple[str, ...]]) -> None:
        self.rules = rules
        self.moves: list[list[tuple[str, int]]] = []
        self.open_rules: list[str] = []

    def network(self) -> WordNetwork:
        """Return the network of the rule ``command`` by the construction of subsets."""
        start, end = self._rule("command", "the grammar")
        sets = [self._reached({start})]
        numbers, arcs = {sets[0]: 0}, []
        for number, nodes in enumerate(sets):  # which grows meanwhile
            targets: dict[str, set[int]] = {}
            for node in sorted(nodes):
                for word, target in self.moves[node]:
                    if word:
                        targets.setdefault(word, set()).add(target)
            for word, several in targets.items():
                reached = self._reached(several)
                if reached not in numbers:
                    numbers[reached] = len(sets)
                    sets.append(reached)
                arcs.append(WordArc(number, word, numbers[reached]))
            if len(sets) > _MAX_NODES:
                raise FormatError(f"the grammar needs more than {_MAX_NODES} nodes")
        if end in sets[0]:
            raise FormatError("a command of no words is in the grammar: make one word necessary")
        accepting = frozenset(number for number, nodes in enumerate(sets) if end in nodes)
        return WordNetwork(len(sets), tuple(arcs), accepting)

    def _reached(self, nodes: set[int]) -> frozenset[int]:
        reached, waiting = set(nodes), list(nodes)
        while waiting:
            for word, target in self.moves[waiting.pop()]:
                if not word and target not in reached:
                    reached.add(target)
                    waiting.append(target)
        return frozenset(reached)

    def _node(self) -> int:
        self.moves.append([])
        return len(self.moves) - 1

    def _between(self, ends: Sequence[tuple[int, int]]) -> tuple[int, int]:
        start, end = self._node(), self._node()
        for first, last in ends:
            self.moves[start].append(("", first))
            self.moves[last].append(("", end))
        return start, end

    def _rule(self, name: str, where: str) -> tuple[int, int]:
        if name not in self.rules or not self.rules[name]:
            raise FormatError(f"{where}: there is no rule '{name}'{suggestion(name, self.rules)}")
        if name in self.open_rules:
            raise FormatError(f"{where}: the rule '{name}' is part of itself; use + to repeat")
        self.open_rules.append(name)
        parts = [self._form(form) for form in self.rules[name]]
        self.open_rules.pop()
        return self._between(parts)

    def _form(self, form: object) -> tuple[int, int]:
        if not isinstance(form, str):
            raise FormatError(f"expected a form of the grammar, found {form!r}")
        tokens, place = [], 0
        while form[place:].strip():
            found = _TOKEN.match(form, place)
            if found is None:
                raise FormatError(f"'{form}' cannot be read from '{form[place:].strip()[:20]}' on")
            tokens.append((found[1] or "", (found[2] or "").lower(), found[3] or ""))
            place = found.end()
        tokens.append(("", "", "end"))
        ends = self._alternatives(tokens, form)
        if tokens[0][2] != "end":
            raise FormatError(f"'{form}': there is a '{tokens[0][2]}' too many")
        return ends

    def _alternatives(self, tokens: list[tuple[str, str, str]], form: str) -> tuple[int, int]:
        several = [self._sequence(tokens, form)]
        while tokens[0][2] == "|":
            tokens.pop(0)
            several.append(self._sequence(tokens, form))
        return self._between(several)

    def _sequence(self, tokens: list[tuple[str, str, str]], form: str) -> tuple[int, int]:
        start = end = self._node()
        while tokens[0][2] not in ("|", ")", "]", "end"):
            first, last = self._item(tokens, form)
            self.moves[end].append(("", first))
            end = last
        if start == end:
            raise FormatError(f"'{form}': a part has no words; [ ] marks what may be left out")
        return start, end

    def _item(self, tokens: list[tuple[str, str, str]], form: str) -> tuple[int, int]:
        rule, word, sign = tokens.pop(0)
        if rule:
            start, end = self._rule(rule, f"'{form}'")
        elif word:
            start, end = self._node(), self._node()
            self.moves[start].append((word, end))
        elif sign in "([":
            start, end = self._alternatives(tokens, form)
            if tokens.pop(0)[2] != {"(": ")", "[": "]"}[sign]:
                raise FormatError(f"'{form}': a '{sign}' is not closed")
            if sign == "[":
                self.moves[start].append(("", end))
        else:
            raise FormatError(f"'{form}': nothing stands before '{sign}'")
        while (sign := tokens[0][2]) in ("+", "*"):
            tokens.pop(0)
            start, end = self._between([(start, end)])
            self.moves[end].append(("", start))
            if sign == "*":
                self.moves[start].append(("", end))
        return start, end
