"""What the suite costs over doing without it, measured: `python -m msaseg.benchmark.overhead`."""
