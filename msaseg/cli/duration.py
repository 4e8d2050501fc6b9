"""A length of time in words."""


def duration(seconds: float) -> str:
    """Return a length of time in the units that people use.

    >>> [duration(seconds) for seconds in (0.4, 59, 100, 7200, 7260, 200_000)]
    ['1 s', '59 s', '2 min', '2 h', '2 h 1 min', '56 h']
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{round(seconds / 3600)} h"
