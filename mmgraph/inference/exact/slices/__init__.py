"""Exact answers of networks that repeat: the plan of a slice, compiled and run along the chain."""
