"""What a model is made of: variables, factors, evidence, factor graphs."""
