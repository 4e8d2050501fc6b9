"""Backbones A and B, replicated with feature aggregation: Table 5, Eq. 3, DFANet."""
