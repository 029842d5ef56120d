"""What the training of a Boltzmann machine maximises."""
