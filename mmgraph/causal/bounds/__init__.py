"""What data leave open: sharp bounds of effects and of probabilities of causation."""
