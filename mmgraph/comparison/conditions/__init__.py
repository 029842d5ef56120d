"""In what a question differs from the plain one: modalities left out, noise, few labels."""
