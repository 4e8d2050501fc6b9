"""Segment images and films with a checkpoint: `python -m msaseg.predict`."""
