"""The plots of the suite as plain data, read from the records: one home for the report's and the figures' numbers."""
