"""Commands of causal analysis."""
