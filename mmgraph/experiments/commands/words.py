"""Isolated words that two voices of Asterisk say, and voices of eSpeak NG beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from mmgraph.experiments.commands.digits import SPEAKERS
from mmgraph.sequences.commands.audio import Samples, resampled
from mmgraph.sequences.commands.phone_posteriors import (
    Distances,
    PhonePosteriors,
    warping_distances,
    without_hubs,
)

_NAMES = {
    "es": {
        "day": "domingo lunes martes miércoles jueves viernes sábado",
        "mon": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
        "diciembre",
    },
    "fr": {
        "day": "dimanche lundi mardi mercredi jeudi vendredi samedi",
        "mon": "janvier février mars avril mai juin juillet août septembre octobre novembre "
        "décembre",
    },
    "it": {
        "day": "domenica lunedì martedì mercoledì giovedì venerdì sabato",
        "mon": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre "
        "novembre dicembre",
    },
}
VOCABULARIES = {
    "digits": r"digits/\d",
    "numbers": r"digits/\d+",
    "numbers, days, months": r"digits/(day-|mon-)?\d+",
    "all with letters": r".*",
}
"""Sets of words, by the names of prompts."""
_TEMPLATE_VOICES = 4
"""How many voices of eSpeak NG are templates, which together count twice what a person does."""
METHODS = ("a voice", "a voice and synthetic ones", "these, without hubs")

Known = dict[str, dict[str, dict[str, Bool[np.ndarray, " words"]]]]
"""Which words are known: by the voice that says them, by method, and by vocabulary."""


class IsolatedWords(NamedTuple):
    """Words of one language.

    Attributes
    ----------
    labels : list of str
        The prompts, which two studio voices have.
    studio : dict of str to list of array
        What each says, in the order of labels.
    synthetic : list of list of array
        What each voice of eSpeak NG says.
    phones : list of list
        Of all that is synthetic, one voice after the other; see ``PhonePosteriors.learned``.
    """

    labels: list[str]
    studio: dict[str, list[Samples]]
    synthetic: list[list[Samples]]
    phones: list[list[tuple[float, str]]]


def text_of(language: str, label: str) -> str | None:
    """Return what every voice says where its prompt is a number, letter, day or month.

    Of other prompts it is not known: ordinals differ in gender, and phrases in their wording.
    """
    if found := re.fullmatch(r"digits/(\d+)|letters/([a-z])", label):
        return found[1] or found[2]
    if found := re.fullmatch(r"digits/(day|mon)-(\d+)", label):
        return _NAMES[language][found[1]].split()[int(found[2])]
    return None


def isolated_words(language: str, voices: int, rate: int, seed: int) -> IsolatedWords:
    """Load the words that both studio voices of a language say, by so many of eSpeak NG, too."""
    from mmgraph.datasets.sequences import asterisk_prompts, espeak_ng

    prompts, program = asterisk_prompts.load(), espeak_ng.load()
    generator = np.random.default_rng(seed)
    places: dict[str, dict[str, int]] = {}
    for i in np.flatnonzero((prompts.languages == language) & prompts.isolated).tolist():
        if text_of(language, prompts.labels[i]) is not None:
            places.setdefault(str(prompts.voices[i]), {})[prompts.labels[i]] = i
    labels = sorted(set.intersection(*map(set, places.values())))
    studio = {
        voice: [resampled(prompts.samples[at[label]], prompts.rate, rate) for label in labels]
        for voice, at in sorted(places.items())
    }
    said = program.utter(
        [
            espeak_ng.Phrase(
                str(text_of(language, label)), f"{language}+{speaker}",
                int(generator.integers(110, 200)), int(generator.integers(30, 70)),
            )
            for speaker in SPEAKERS[:voices] for label in labels
        ]
    )  # fmt: skip
    samples = [resampled(one.samples, program.rate, rate) for one in said]
    synthetic = [samples[k : k + len(labels)] for k in range(0, len(samples), len(labels))]
    phones = [[(first / program.rate, name) for first, name in one.phones] for one in said]
    return IsolatedWords(labels, studio, synthetic, phones)


def words_known(
    languages: Mapping[str, IsolatedWords], rate: int, steps: int, seed: int
) -> dict[str, Known]:
    """Return which words of each studio voice are known by templates of the other.

    One network knows the phones of all languages, and hears synthetic voices alone.
    """
    flat = [one for words in languages.values() for voice in words.synthetic for one in voice]
    phones = [one for words in languages.values() for one in words.phones]
    model = PhonePosteriors.learned(flat, phones, rate, steps=steps, seed=seed)
    return {language: _known(words, model) for language, words in languages.items()}


def _known(words: IsolatedWords, model: PhonePosteriors) -> Known:
    grams = {name: model.of_voice(recordings) for name, recordings in words.studio.items()}
    made = [model.of_voice(one) for one in words.synthetic[:_TEMPLATE_VOICES]]
    known = {}
    for asked, queries in grams.items():
        (templates,) = (one for name, one in grams.items() if name != asked)
        alone = warping_distances(templates, queries)
        both = alone + 2 * np.mean([warping_distances(one, queries) for one in made], axis=0)
        known[asked] = {METHODS[0]: _right(words, alone), METHODS[1]: _right(words, both)} | {
            METHODS[2]: _right(words, both, hubs=False)
        }
    return known


def best(known: Known) -> Bool[np.ndarray, " words"]:
    """Return which words of both voices the last method knows in the greatest vocabulary."""
    return np.concatenate([list(one[METHODS[-1]].values())[-1] for one in known.values()])


def summary(known: Known) -> list[str]:
    """Return a line for each voice: of each vocabulary the shares that the methods know."""
    lines = []
    for voice, methods in known.items():
        shares = [
            f"{name} {'/'.join(f'{right[name].mean():.2f}' for right in methods.values())}"
            f" (chance {1 / len(first):.2f})"
            for name, first in methods[METHODS[0]].items()
        ]
        lines.append(f"Words of {voice} by templates of {', '.join(METHODS)}: {'; '.join(shares)}.")
    return lines


def _right(
    words: IsolatedWords, distances: Distances, hubs: bool = True
) -> dict[str, Bool[np.ndarray, " words"]]:
    """Whether the nearest word is right, of each vocabulary that holds more words than the last."""
    right, sizes = {}, set()
    for name, pattern in VOCABULARIES.items():
        among = np.flatnonzero([bool(re.fullmatch(pattern, one)) for one in words.labels])
        if len(among) and len(among) not in sizes:
            sizes.add(len(among))
            part = distances[np.ix_(among, among)]
            nearest = (part if hubs else without_hubs(part)).argmin(0)
            right[name] = nearest == np.arange(len(among))
    return right
