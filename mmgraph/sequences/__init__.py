"""Uses of sequences: changepoints, events, spoken commands, tracking."""
