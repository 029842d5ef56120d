"""Nets that tell a target, whatever modalities are there."""
