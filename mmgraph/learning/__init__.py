"""Learning: parameters from complete and from incomplete data."""
