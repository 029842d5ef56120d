"""Channels and maps in files: PNG, JPEG, TIFF, NumPy and NIfTI, read whole and written whole.

However a format says that a value is missing (a number for no data, NaN, an alpha band, a mask, a
transparent colour), it reads as NaN; where its pixels lie is a ``Georeference``.
"""
