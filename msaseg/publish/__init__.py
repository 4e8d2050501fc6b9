"""Trained nets to be used: a small weights file and its model card."""
