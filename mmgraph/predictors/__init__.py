"""Predictors learn from rows of several modalities, and answer with some of them."""
