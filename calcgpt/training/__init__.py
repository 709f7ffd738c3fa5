"""Configuration, data source, optimiser, trainer, recipes."""
