"""The report: one HTML page with every table and figure of the paper and ours beside it; it needs no network."""
