"""Data sets of sequences: movement, speech, video."""
