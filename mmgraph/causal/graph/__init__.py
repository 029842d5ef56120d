"""Directed acyclic graphs with bidirected edges for hidden common causes, and their readers."""
