"""Nets, and what is made of them, in the package's own format."""
