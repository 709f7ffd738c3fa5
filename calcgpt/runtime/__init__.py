"""What every part stands on: device and threads, whole-or-nothing files."""
