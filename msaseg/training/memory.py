"""What the C library does with memory that a training step on a CPU frees."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Names of glibc's settings, from its malloc.h."""


def keep_freed_memory() -> None:
    """Have glibc keep it for the next step, instead of getting it page by page from the system again.

    A net with many parameters trains faster for it. Another C library is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MMAP_MAX, 0)  # no block outside the heap
        mallopt(TRIM_THRESHOLD, -1)  # which never shrinks
