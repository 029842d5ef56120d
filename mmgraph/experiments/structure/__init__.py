"""Ready models: the graph of measurements that experiments have acted on."""
