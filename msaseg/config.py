"""Where the configuration lives, the resolvers that it uses, and the hash that names a run.

The only place that registers OmegaConf resolvers; imported by every process that composes a configuration.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

PACKAGE = Path(__file__).resolve().parent


def find_checkout(package: Path) -> Path | None:
    """Return the checkout that a package's folder lies in, or None if it is installed apart from one."""
    folder = package.parent
    return folder if all((folder / name).is_file() for name in ("pyproject.toml", "conf/train.yaml")) else None


CHECKOUT = find_checkout(PACKAGE)
"""None: the package is installed without its repository; it then carries the configuration in itself."""
ROOT = CHECKOUT or Path.cwd()
"""Where data and outputs lie unless said otherwise: in the checkout, or without one in the working folder."""
CONF = CHECKOUT / "conf" if CHECKOUT else PACKAGE / "conf"

CORES = "MSASEG_CORES"
"""Environment variable that says how many cores a run of a sweep has to itself; unset: all."""

MACHINE_KEYS = ("hydra", "paths", "logger", "table", "row", "seed", "rerun", "debug")
"""Top-level keys that say where, how watched and under which name a run is made, not what it computes."""

MACHINE_VALUES = (
    "data.seed",
    "trainer.accelerator",
    "trainer.log_every_n_steps",
    "trainer.enable_progress_bar",
    "data.num_workers",
    "data.eval_batch_size",
    "protocol.encoder",
    "protocol.publish",
    "protocol.minutes",
    "protocol.seeds",
)
"""Single values of the same kind below other keys. Of encoders that counts which the net has, `model.net.encoder`."""


NO_ARCHITECTURE = ("num_classes", "weights", "weights_dir", "release")
"""Keys of a net's configuration that do not change what it computes with, or only its last layer."""


def plain(config: DictConfig) -> dict[str, Any]:
    """Return the configuration resolved, as plain containers."""
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def without(config: DictConfig, keys: tuple[str, ...]) -> DictConfig:
    """Return a copy of the configuration that lacks these top-level keys."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key not in keys])


def hashed_part(config: DictConfig) -> dict[str, Any]:
    """Return what of a configuration decides a run's result, its seed apart.

    Machine paths are replaced by their key's name before anything is resolved, and a file of weights by its digest, so
    two machines agree.
    """
    given = config.paths
    with read_write(config), open_dict(config):  # and back: a copy of all would take longer than the rest
        config.paths = {key: f"<paths.{key}>" for key in given}
        try:
            kept = {str(key): value for key, value in config.items() if key not in MACHINE_KEYS}
            resolved = {key: plain(value) if isinstance(value, DictConfig) else value for key, value in kept.items()}
        finally:
            config.paths = given
    for dotted in MACHINE_VALUES:
        parent, _, leaf = dotted.rpartition(".")
        resolved.get(parent, {}).pop(leaf, None)
    if "trainer" in resolved:
        resolved["trainer"]["devices"] = 1  # several share each batch: they compute the same
    _name_weights_by_content(resolved)
    return resolved


def _name_weights_by_content(part: dict[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, dict):
            _name_weights_by_content(value)
        elif key == "weights" and isinstance(value, str) and Path(value).expanduser().is_file():
            file = Path(value).expanduser()
            part[key] = _content_digest(file, file.stat().st_mtime_ns)


@cache
def _content_digest(file: Path, _changed: int) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"


def config_hash(config: DictConfig) -> str:
    """Return eight hexadecimal digits that name what a run computes; seeds of one run share them."""
    return identity_hash(hashed_part(config))


def net_hash(net: dict[str, Any]) -> str:
    """Return eight hexadecimal digits that name a net's architecture.

    Args:
        net: its resolved configuration, below `model.net`; class count and weights are left out.
    """
    return identity_hash(net, NO_ARCHITECTURE)


def identity_hash(config: dict[str, Any], without_keys: Collection[str] = ()) -> str:
    """Return eight hexadecimal digits over a resolved configuration.

    They survive a move of the code and a new option: of a `_target_` only the class name counts, not its module,
    and a key whose value is null does not count at all.

    Args:
        config: plain containers.
        without_keys: keys that do not count either, at any depth.

    >>> identity_hash({"_target_": "old.place.Net", "width": 64})
    'ecf8cd1a'
    >>> identity_hash({"_target_": "new.place.Net", "width": 64, "option": None})
    'ecf8cd1a'
    """
    text = json.dumps(_identity(config, without_keys), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _identity(part: Any, without_keys: Collection[str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(part, list):
        return [_identity(value, without_keys) for value in part]
    if not isinstance(part, dict):
        return part
    return {
        key: str(value).rpartition(".")[2] if key == "_target_" else _identity(value, without_keys)
        for key, value in part.items()
        if value is not None and key not in without_keys
    }


def compose_run(overrides: list[str]) -> DictConfig:
    """Compose a run's configuration from command-line overrides."""
    with composing():
        return compose("train", overrides)


@contextmanager
def composing() -> Iterator[None]:
    """Open `conf/` to compose from, also while a Hydra application runs: there is one Hydra in a process."""
    state = GlobalHydra.instance()
    application, state.hydra = state.hydra, None
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            yield
    finally:
        state.hydra = application


def loader_workers() -> int:
    """Return how many processes feed a run: none on few cores, where they would only compete."""
    cores = int(os.environ.get(CORES) or os.cpu_count() or 1)
    return 0 if cores <= 4 else min(8, cores // 2)


def register_resolvers() -> None:
    """Make `${root:}`, `${loader_workers:}` and `${config_hash:}` known; calling it again changes nothing."""
    OmegaConf.register_new_resolver("root", lambda: str(ROOT), replace=True)
    OmegaConf.register_new_resolver("loader_workers", loader_workers, replace=True)
    OmegaConf.register_new_resolver("config_hash", lambda _root_: config_hash(_root_), replace=True)


register_resolvers()
