"""Decoding, and the solver built on it."""
