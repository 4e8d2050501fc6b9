"""Reproducible real-time street-scene segmentation."""

__version__ = "0.1.0"
