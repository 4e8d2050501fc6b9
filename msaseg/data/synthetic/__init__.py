"""Drawn street scenes: data without a download."""
