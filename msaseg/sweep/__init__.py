"""Many runs: a process each, on the GPUs or cores of a machine."""
