"""A checkpoint as a program that needs no msaseg: `python -m msaseg.export`."""
