"""Layers of several members at once: an ensemble in one batched product."""
