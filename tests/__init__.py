"""The tests; a package, lest the ``tests`` that another distribution installs hide it."""
