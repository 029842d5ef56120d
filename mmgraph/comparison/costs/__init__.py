"""What models cost: seconds, memory, parameters; which are worth it."""
