"""Segment images and videos with a checkpoint: `python -m msaseg.predict`."""
