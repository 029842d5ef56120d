"""The field view: what each variable is like given the others."""
