"""Causal graphs, effects, counterfactuals, and what each modality tells of a target."""
