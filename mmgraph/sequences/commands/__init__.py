"""Spoken commands: features, words, grammars, decoding, rejection."""
