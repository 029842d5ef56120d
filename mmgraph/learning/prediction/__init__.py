"""What a learned graph says of rows: labels, probabilities, intervals, and whether it fits them."""
