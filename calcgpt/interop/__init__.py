"""Models in the forms that others expect."""
