"""What several methods compute with: compiled code, random bits, memory, convergence."""
