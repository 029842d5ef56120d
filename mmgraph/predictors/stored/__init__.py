"""Fitted classifiers in files, without pickle."""
