"""Schemas: of each column of a table its modality, kind, unit, role and tier."""
