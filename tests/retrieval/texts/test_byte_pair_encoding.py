from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mmgraph.retrieval.texts.byte_pair_encoding import Segmentation, learned_merges

WORDS = st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 9), max_size=8)


def joined(sequence, pair):
    """Merge by replacing in a string whose symbols stand between bars."""
    bars = "|".join(["", *(f"{symbol}|" for symbol in sequence)])
    while (old := "|{}||{}|".format(*pair)) in bars:
        bars = bars.replace(old, f"|{pair[0]}\0{pair[1]}|", 1)
    return bars.replace("\0", "").strip("|").split("||")


def counted_anew(words, symbols):
    """The algorithm as the paper prints it: count all pairs before each merge."""
    sequences = {word: [*word[:-1], word[-1] + " "] for word in words}
    most = symbols - len({letter for sequence in sequences.values() for letter in sequence})
    merges = []
    while len(merges) < most:
        pairs = Counter()
        for word, sequence in sequences.items():
            for pair in pairwise(sequence):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        merges.append(best)
        sequences = {word: joined(sequence, best) for word, sequence in sequences.items()}
    return merges, sequences


@given(WORDS, st.integers(1, 20))
def test_merges_and_symbols_are_those_of_counting_anew(words, symbols):
    merges, sequences = counted_anew(words, symbols)
    assert list(learned_merges(words, symbols)) == merges
    split = Segmentation(merges)
    for word, sequence in sequences.items():
        assert list(split(word)) == list(split(word)) == sequence


def test_a_word_of_a_million_letters_is_split():
    split = Segmentation(learned_merges({"ab" * 60: 5, "红色": 2}, 12))
    assert "".join(split("ab" * 500_000 + " 红色")) == "ab" * 500_000 + " 红色"
