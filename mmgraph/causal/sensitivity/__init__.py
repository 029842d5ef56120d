"""How sure an answer is: hidden confounders that would undo it, and table entries that move it."""
