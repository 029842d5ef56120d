"""Leaves of a classifier: what the rows of a modality say of the target's states."""
