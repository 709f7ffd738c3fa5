"""What is asked, and how it is written: operations, problems, notation, data files. NumPy only."""
