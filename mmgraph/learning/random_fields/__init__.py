"""Learning of random fields."""
