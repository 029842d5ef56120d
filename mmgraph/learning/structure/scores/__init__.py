"""Scores of a variable given its parents, compiled: tables, regressions, and a memo of both."""
