"""Pictures of sequences: state paths, bands, tracks, curves of detection."""
