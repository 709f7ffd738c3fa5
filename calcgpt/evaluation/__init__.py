"""What a model can and cannot compute."""
