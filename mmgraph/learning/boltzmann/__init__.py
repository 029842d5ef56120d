"""The training of Boltzmann machines."""
