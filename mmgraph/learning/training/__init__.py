"""The loop by which machines and nets learn: batches, random numbers, processes, checkpoints."""
