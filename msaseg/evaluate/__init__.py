"""Score a checkpoint on the frames of any protocol: `python -m msaseg.evaluate`."""
