"""The training loop of Boltzmann machines: steps, monitors, checkpoints."""
