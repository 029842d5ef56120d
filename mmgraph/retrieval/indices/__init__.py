"""Items to be searched: exactly, or in a graph of neighbours."""
