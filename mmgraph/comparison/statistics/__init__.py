"""Whether differences between models are more than chance: in rows, folds, and data sets."""
