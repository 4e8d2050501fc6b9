"""One run: module, losses, metrics, checkpoints, loggers."""
