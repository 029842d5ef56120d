"""Ready models, cross-validated: data, figures, pictures."""
