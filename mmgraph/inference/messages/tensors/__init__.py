"""Message passing on tensors: any device, with gradients."""
