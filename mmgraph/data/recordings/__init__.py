"""Recordings of sequences, from which rows are cut."""
