"""Kinds of models: thin faces over a factor graph."""
