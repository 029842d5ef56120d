"""Exact answers of what repeats: forward-backward, Viterbi and counts along a chain."""
