"""From the codes of modalities to scores of classes."""
