"""Rows of modalities as tensors, with what is there of them."""
