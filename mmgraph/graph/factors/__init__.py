"""Factors over discrete variables and units: tables, unary terms, edges, grids, biases."""
