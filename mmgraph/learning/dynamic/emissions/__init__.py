"""What a hidden state emits: densities, their updates and first values."""
