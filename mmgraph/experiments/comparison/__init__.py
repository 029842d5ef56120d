"""Ready comparisons: which models, on which data, in which conditions."""
