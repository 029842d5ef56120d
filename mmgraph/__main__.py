"""``python -m mmgraph`` is the command ``mmgraph``."""

from mmgraph.cli import main

main()
