"""The suite's W&B pages as code: a report over all tables and a saved workspace for each."""
