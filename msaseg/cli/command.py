"""What every `python -m msaseg.COMMAND` does alike: help that begins with examples, mistakes in one line, statuses."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NoReturn

from msaseg.cli.errors import UserError
from msaseg.cli.mistakes import explain, suggestion
from msaseg.cli.stopping import goes_on_from, stops_in_one_line

HYDRA = {"--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun", "--info"}
HYDRA |= {"--shell-completion", "--config-path", "--config-name", "--config-dir", "--experimental-rerun"}


class Parser(argparse.ArgumentParser):
    """An argument parser whose help begins with examples and whose every mistake is a `UserError`."""

    examples: Sequence[str] = ()
    """What may stand behind the command's name."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - those of argparse
        shared: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        super().__init__(**(shared | settings))

    def format_help(self) -> str:
        """Return what the command does, examples, usage, more about it and its arguments, in this order."""
        whole = self.description or ""
        about, _, self.description = whole.partition("\n\n")
        rest, self.description = super().format_help(), whole
        examples = [f"  {self.prog} {words}" for words in self.examples]
        return "\n".join([f"{self.prog}: {about}", "", *(["examples:", *examples, ""] if examples else []), rest])

    def error(self, message: str) -> NoReturn:
        """Refuse the words.

        Raises:
            UserError: always.
        """
        raise UserError(f"{message.removeprefix('argument ')} ({self.prog} --help shows examples)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 - as in argparse
        """Parse all words: one that is not known is refused here, where the flags of a sub-command are known."""
        words = sys.argv[1:] if args is None else list(args)
        for word in words:
            self._refuse_assignment(word)
        parsed, unknown = super().parse_known_args(words, namespace)
        if unknown:
            raise UserError(self._unknown(unknown[0]))
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - as in argparse
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"{value}: {suggestion(value, action.choices)}")

    def _flags(self) -> dict[str, argparse.Action]:
        return {flag: action for action in self._actions for flag in action.option_strings if flag.startswith("--")}

    def _refuse_assignment(self, word: str) -> None:
        """Tell the spelling to who writes `size=native`, as for a run, unless a file has that name."""
        name, equals, value = word.partition("=")
        if not equals or os.path.exists(word):
            return
        for action in self._actions:
            if action.dest == name:
                flag = next((flag for flag in action.option_strings if flag.startswith("--")), "")
                spelling = f"{value} alone" if not flag else flag if action.nargs == 0 else f"{flag} {value}"
                raise UserError(f"{word}: write {spelling} ({self.prog} --help shows examples)")

    def _unknown(self, word: str) -> str:
        if word.startswith("-"):
            return f"there is no {word.partition('=')[0]}: {suggestion(word.partition('=')[0], self._flags())}"
        if "=" in word and "--set" in self._flags():
            return f"{word}: write --set {word}"
        return f"{word}: one word too many: {self.prog} --help shows examples"


def parser(command: str, about: str, examples: Sequence[str] = ()) -> Parser:
    """Return the parser of a command.

    Args:
        command: e.g. "predict".
        about: what it does, in a sentence or a few.
        examples: words that may follow it.
    """
    made = Parser(prog=f"python -m msaseg.{command}", description=about)
    made.examples = examples
    return made


def run(parser: Parser, act: Callable[[argparse.Namespace], int] | str, words: Sequence[str] | None = None) -> int:
    """Parse a command line and act on it.

    Args:
        parser: of the command.
        act: does the command's work; returns its exit status. "module:name" is imported when the words have been read,
            as torch takes seconds to load.
        words: None for those that were typed.

    Returns:
        What `act` returned, 2 after a mistake of the user, told in one line on stderr, or 141 if nobody reads on.

    Raises:
        SystemExit: with status 0 after the help, 143 or 130 after SIGTERM or Ctrl-C, told in one line.
    """
    words = sys.argv[1:] if words is None else words
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text
    try:
        with stops_in_one_line():
            goes_on_from(lambda: "the start")
            arguments = parser.parse_args(words)
            status = int((resolve_name(act) if isinstance(act, str) else act)(arguments))
            sys.stdout.flush()
            return status
    except BrokenPipeError:  # as of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed has no reader
        return 128 + signal.SIGPIPE
    except Exception as error:
        return told(error, words)


def told(error: Exception, words: Sequence[str], config: str = "train") -> int:
    """Tell a mistake of the user in one line on stderr and return status 2; raise any other error again.

    Args:
        error: what reached the command line.
        words: what was typed behind the command's name.
        config: of `conf/`, whose keys the words may set.
    """
    message = explain(error, list(words), config)
    if message is None:
        raise error
    print(f"error: {printable(message)}", file=sys.stderr)
    return 2


@contextmanager
def one_line() -> Iterator[None]:
    """Turn a mistake of the user into one line on stderr and exit status 2; let other errors pass."""
    try:
        yield
    except Exception as error:
        raise SystemExit(told(error, sys.argv[1:])) from error


def printable(text: str) -> str:
    r"""Return a text in which nothing moves the terminal: file names may hold line breaks, escapes, bytes.

    >>> print(printable("a\nb.png"))
    a\nb.png
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def refuse_flags(words: Sequence[str], example: str) -> None:
    """Refuse flags where Hydra composes a configuration out of `key=value` words.

    Raises:
        UserError: a flag that Hydra does not have, with the spelling.
    """
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and f"--{name}" not in HYDRA:
            raise UserError(f"{word}: write {name}={value or '...'} without dashes, as in {example}")


def path(text: str) -> Path:
    """Read a path.

    Raises:
        argparse.ArgumentTypeError: it is empty, as an unset variable of the shell is.
    """
    if not text:
        raise argparse.ArgumentTypeError("empty: give a path")
    return Path(text)


def whole_number(text: str) -> int:
    """Read a whole number of 1 or more.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text}: give a whole number of 1 or more")
    return int(text)
