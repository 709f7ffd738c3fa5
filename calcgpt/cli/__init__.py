"""The calcgpt command: parses, calls, shows."""
