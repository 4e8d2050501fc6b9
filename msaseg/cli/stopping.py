"""SIGTERM and Ctrl-C end a run, or a sweep, at once: in whatever it is doing, in one line, with status 143 or 130."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)

_received: list[int] = []
_put_off = threading.Event()
_whence: list[Callable[[], str]] = []


class Stopped(SystemExit):
    """Raised wherever the process is when it is told to stop: no `except Exception` takes it."""


@contextmanager
def stops_in_one_line() -> Iterator[None]:
    """Within it the first SIGTERM or SIGINT raises `Stopped`, and a second ends the process where it stands.

    Raises:
        SystemExit: with status 128 + the signal, after a line on stderr, whatever the signal made of what it
            interrupted: workers that are told to stop too may fail first.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    except BaseException:
        if not _received:
            raise
        print(_line(), end="", file=sys.stderr, flush=True)
        raise SystemExit(128 + _received[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()
        _whence.clear()


def told_to_stop() -> bool:
    """Return whether a signal was received."""
    return bool(_received)


def heed() -> None:
    """Raise `Stopped` again after a signal: an import or a destructor may have swallowed the first."""
    if _received:
        raise Stopped(128 + _received[0])


def goes_on_from(whence: Callable[[], str]) -> None:
    """Have the line say where the same command will go on: "epoch 3"."""
    _whence[:] = [whence]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put a signal off for the moment in which files are written that belong together."""
    _put_off.set()
    try:
        yield
    finally:
        _put_off.clear()
    heed()


def _stop(number: int, frame: FrameType | None) -> None:
    if _received:
        os.write(2, _line().encode())
        os._exit(128 + _received[0])
    _received.append(number)
    if not _put_off.is_set():
        raise Stopped(128 + number)


def _line() -> str:
    if "MSASEG_RUN_DIR" in os.environ:  # one of several processes of a run: the one that started them tells
        return ""
    return f"stopped; the same command goes on from {_whence[0]() if _whence else 'here'}\n"
