"""Student's t without tables."""

import math

import numpy as np
from numpy.polynomial.legendre import leggauss

_NODES, _WEIGHTS = leggauss(64)


def t_quantile(confidence: float, df: float) -> float:
    """Return the t with P(|T| <= t) = confidence.

    With T = √df·tan θ the probability is an integral of cos^(df - 1) from 0 to θ, taken by Gauss's rule. As a
    function of t it is concave, so Newton's steps from 0 rise to the root and never pass it.

    Args:
        confidence: above 0 and at most 0.999.
        df: degrees of freedom, 1 or more; need not be whole.

    Raises:
        ValueError: outside of these ranges.

    >>> round(t_quantile(0.95, 1), 3), round(t_quantile(0.95, 10), 3)
    (12.706, 2.228)
    """
    if not (0 < confidence <= 0.999 and df >= 1):
        raise ValueError(f"no quantile of Student's t for confidence {confidence} and {df} degrees of freedom")
    density_at_0 = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi * df)
    t = 0.0
    for _ in range(100):
        angle = math.atan(t / math.sqrt(df))
        integral = angle / 2 * float(_WEIGHTS @ np.cos(angle * (_NODES + 1) / 2) ** (df - 1))
        missing = confidence - 2 * density_at_0 * math.sqrt(df) * integral
        step = missing / (2 * density_at_0 * (1 + t * t / df) ** (-(df + 1) / 2))
        t += step
        if abs(step) <= 1e-12 * t:
            break
    return t
