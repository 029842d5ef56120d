"""Ready models: a multimodal deep Boltzmann machine, cross-validated."""
