"""Information in arrays: entropies, decompositions, Shapley values, and the value of tests."""
