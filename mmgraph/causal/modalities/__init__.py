"""What each modality tells of a target, what its absence costs, and which one to acquire next."""
