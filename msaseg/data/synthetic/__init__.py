"""Synthetic street scenes: data without a download."""
