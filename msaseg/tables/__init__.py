"""The paper's tables, from their declaration to Markdown: no torch, no network, no training."""
