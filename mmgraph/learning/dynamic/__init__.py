"""Learning of dynamic networks: emissions, transitions, durations."""
