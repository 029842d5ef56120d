"""Exact inference on continuous variables that are normal and linear in one another."""
