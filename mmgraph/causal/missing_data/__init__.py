"""Cells that are missing: are they so at random, and what can still be answered."""
