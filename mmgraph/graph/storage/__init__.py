"""How objects are kept: caches, copies, and files written whole or not at all."""
