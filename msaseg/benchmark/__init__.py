"""How fast nets are: several in one run, in turns, by one procedure."""
