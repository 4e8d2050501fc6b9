"""Turn what a user's mistake raises, deep in Hydra or in a constructor, into one line with the mend."""

import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator

from hydra import compose
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from msaseg.cli.errors import UserError
from msaseg.config import CONF, composing

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""What the system says of a file that cannot be written."""

MISCONFIGURATION = "MisconfigurationException"
"""What Lightning raises likewise; to import it takes seconds."""

MENDABLE = (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError)
"""What constructors raise for an argument that they cannot take."""


def explain(error: BaseException, overrides: list[str], config: str = "train") -> str | None:
    """Return one line for a mistake of the user, or None for an error of the program.

    Args:
        error: what reached the command line.
        overrides: what was typed after the module's name.
        config: of `conf/`, whose keys they may set.
    """
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, UserError):
            return str(link)
    for link in chain:
        if isinstance(link, OSError) and _of_the_outputs(link, overrides):
            return f"{link.filename}: {link.strerror}: choose another folder (MSASEG_OUTPUTS, or paths.outputs)"
        if isinstance(link, OSError) and link.errno in DISK and (link.filename or link.errno == errno.ENOSPC):
            mend = "free space there or write elsewhere, and repeat the command"
            return f"{link.filename or 'the output'}: {link.strerror}: {mend}"
        if isinstance(link, MissingConfigException):
            return _unknown_option(link)
        if isinstance(link, InstantiationException):
            return _refused_argument(link)
        if isinstance(link, ConfigCompositionException):
            return _unknown_key(link, overrides, config)
        if isinstance(link, ValueError) and str(link).startswith("Config group override must be"):
            return _no_option(overrides)
        if isinstance(link, OmegaConfBaseException) and (row := re.search(r"'table\.rows\.([^.']+)\.", str(link))):
            return f"row={row[1]}: its table has no such row: the experiment's file lists them under table.rows"
        if isinstance(link, HydraException | OmegaConfBaseException):
            return " ".join(str(link).split())
    return None


def _of_the_outputs(error: OSError, overrides: list[str]) -> bool:
    """Return whether the folder of outputs cannot be made."""
    given = [word.partition("=")[2] for word in overrides if word.startswith("paths.outputs=")]
    outputs = (given or [os.environ.get("MSASEG_OUTPUTS", "")])[-1]
    wrong = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST) and isinstance(error.filename, str)
    return bool(outputs) and wrong and os.path.abspath(error.filename).startswith(os.path.abspath(outputs))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" with the nearest names, or the choice if nothing is near.

    >>> suggestion("papper", ["paper", "official"])
    'did you mean paper?'
    """
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    known = error.options or [path.stem for path in (CONF / group).glob("*.yaml")]
    return f"there is no {group or '--config-name'}={option}: {suggestion(option, known)}"


def _no_option(overrides: list[str]) -> str:
    """Return the line for a group set to null, a number or nothing: `logger=null`."""
    for word in overrides:
        group, _, option = word.partition("=")
        if group in _groups() and not (CONF / group / f"{option}.yaml").is_file():
            options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
            return f"{word}: a group takes one of its files: {suggestion(option, options)}"
    return "a group takes the name of one of its files"


def _refused_argument(error: InstantiationException) -> str | None:
    cause, where = error.__cause__, re.search(r"full_key: (\S+)", str(error))
    name = where[1] if where else "configuration"
    if missing := re.search(r"Error locating target '([^']+)'", str(error)):
        return f"{name}._target_={missing[1]}: there is no such class"
    mendable = isinstance(cause, MENDABLE) or type(cause).__name__ == MISCONFIGURATION
    return " ".join(f"{name}: {cause}".split()) if mendable else None


def _unknown_key(error: ConfigCompositionException, overrides: list[str], config: str) -> str:
    text = " ".join(str(error).split())
    key = re.search(r"Could not override '([^']+)'", text)
    if key is None:
        return text
    group = key[1].partition("@")[0]
    if (CONF / group).is_dir():
        return f"{group} must be added: write +{group}=..."
    groups = [word for word in overrides if word.lstrip("+").partition("=")[0] in _groups()]
    try:
        known = _known(config, groups)
    except (HydraException, OmegaConfBaseException):
        known = _known(config, [])
    if key[1].startswith("hydra.launcher."):
        known = {f"hydra.launcher.{name}" for name in _launcher_keys(groups)}
    parent = key[1].rpartition(".")[0]
    added = f", or +{key[1]}=... as a further argument" if f"{parent}._target_" in known else ""
    return f"there is no key {key[1]}: {_key_suggestion(key[1], known | _groups())}{added}"


def _key_suggestion(word: str, known: set[str]) -> str:
    """Return "did you mean ...?", also for a key without the part that it lies in, or what lists the keys.

    >>> _key_suggestion("epochs", {"protocol", "protocol.epochs", "model.lr"})
    'did you mean protocol.epochs?'
    >>> _key_suggestion("epoch", {"protocol", "protocol.epochs", "model.lr"})
    'did you mean protocol.epochs?'
    """
    leaves = {key.rpartition(".")[2] for key in known}
    for name in [word, *difflib.get_close_matches(word, leaves, n=1, cutoff=0.8)] if "." not in word else []:
        found = sorted((key for key in known if key.endswith(f".{name}")), key=lambda key: (key.count("."), key))
        if found and name not in known:
            return f"did you mean {' or '.join(found[:3])}?"
    if difflib.get_close_matches(word, known, cutoff=0.6):
        return suggestion(word, known)
    return "--help lists the keys"


def _known(config: str, groups: list[str]) -> set[str]:
    with composing():
        return set(_keys(compose(config, groups)))


def _launcher_keys(groups: list[str]) -> Iterator[str]:
    """Yield the keys of the launcher that was chosen."""
    chosen = [word.partition("=")[2] for word in groups if word.startswith("hydra/launcher=")]
    content = OmegaConf.load(CONF / "hydra" / "launcher" / f"{(chosen or ['gpus'])[-1]}.yaml")
    assert isinstance(content, DictConfig)
    yield from (str(key) for key in content if not str(key).startswith("_"))


def _groups() -> set[str]:
    return {str(folder.relative_to(CONF)) for folder in CONF.rglob("*") if folder.is_dir()}


def _keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in config:
        name = f"{prefix}{key!s}"
        yield name
        node = config._get_node(key)
        if isinstance(node, DictConfig) and OmegaConf.is_dict(node) and not node._is_interpolation():
            yield from _keys(node, f"{name}.")
