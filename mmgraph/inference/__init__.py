"""Inference: one file a method, one function a file, one posterior for all."""
