"""The pairwise view of a graph."""
