"""How objects are kept and copied: caches, and mappings that refuse changes."""
