"""The commands of sequences: tracks, events, changepoints."""
