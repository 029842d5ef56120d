"""Directed acyclic graphs and their equivalence classes, as arrays of bool [parent, child]."""
