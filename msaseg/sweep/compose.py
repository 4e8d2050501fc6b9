"""Compose the runs of a sweep from what they share: a tenth of the time that Hydra takes for each."""

import pickle
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import takewhile
from typing import Any
from unittest.mock import patch

from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core.default_element import InputDefault, ResultDefault
from hydra.core.override_parser.types import Override, OverrideType
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf, flag_override, grammar_parser
from omegaconf.errors import OmegaConfBaseException

from msaseg.config import CONF


def compose_job(
    base: DictConfig,
    words: Sequence[str],
    shared: Collection[str],
    parse: Callable[[list[str]], list[Override]],
    whole: Callable[[list[str]], DictConfig],
) -> DictConfig:
    """Return the configuration of one job of a sweep.

    Args:
        base: composed from the shared overrides alone.
        words: all overrides of the job.
        shared: those that `base` has.
        parse: Hydra's parser.
        whole: composes a job from its overrides; asked where it differs from `base` in more than values.
    """
    own = parse([word for word in words if word not in shared])
    if any(not _sets_a_value(word, base) for word in own):
        return whole(list(words))
    run: DictConfig = pickle.loads(pickle.dumps(base))  # four times as fast as `copy`
    for word in own:
        OmegaConf.update(run, word.key_or_group, word.value(), merge=True)
    return run


def _sets_a_value(word: Override, base: DictConfig) -> bool:
    if word.type is not OverrideType.CHANGE or (CONF / word.key_or_group).is_dir():
        return False
    parent, _, key = word.key_or_group.rpartition(".")
    node = OmegaConf.select(base, parent) if parent else base
    return OmegaConf.is_dict(node) and key in node


@contextmanager
def files_read_once() -> Iterator[set[str]]:
    """Have Hydra read each file, and merge those that two lists of files begin with, once for all composed meanwhile.

    Yields the names of those asked for, such as "protocol/paper".
    """
    read, load = ConfigRepository.load_config, ConfigLoaderImpl._load_single_config
    merge, choices = ConfigLoaderImpl._compose_config_from_defaults_list, defaults_list._create_interpolation_map
    files, loaded, asked = dict[Any, ConfigResult | None](), dict[Any, bytes](), set[str]()
    merged, before = dict[Any, bytes](), list[Any]()

    def read_once(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
        asked.add(config_path)
        key = (config_path, *_folders(repository))
        if key not in files:
            files[key] = read(repository, config_path)
        return files[key]

    def load_once(loader: ConfigLoaderImpl, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        key = _name(default, repo)
        if key not in loaded:
            loaded[key] = pickle.dumps(load(loader, default, repo))
        found: ConfigResult = pickle.loads(loaded[key])  # a copy, since overrides are written into it
        return found

    def merge_the_rest(loader: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        names = [_name(default, repo) for default in defaults]
        count = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(names, before, strict=False)))
        before[:] = names
        if any(str(default.config_path).startswith("hydra/") for default in defaults[count:]):
            return merge(loader, defaults, repo)
        if (shared := tuple(names[:count])) not in merged:
            merged[shared] = pickle.dumps(merge(loader, defaults[:count], repo))
        config: DictConfig = pickle.loads(merged[shared])
        try:
            with flag_override(config, "no_deepcopy_set_nodes", True):
                config.merge_with(*[load_once(loader, default, repo).config for default in defaults[count:]])
        except OmegaConfBaseException:
            return merge(loader, defaults, repo)  # its message names the file
        return config

    def choices_if_asked(overrides: Overrides, defaults: list[InputDefault], self_added: bool) -> DictConfig | None:
        asked_for = any(default.is_interpolation() for default in defaults)
        return choices(overrides, defaults, self_added) if asked_for else None

    with (
        patch.object(defaults_list, "_create_interpolation_map", choices_if_asked),
        patch.object(ConfigRepository, "load_config", read_once),
        patch.object(ConfigLoaderImpl, "_load_single_config", load_once),
        patch.object(ConfigLoaderImpl, "_compose_config_from_defaults_list", merge_the_rest),
        patch("omegaconf.base.parse", cache(grammar_parser.parse)),
    ):
        yield asked


def _name(default: ResultDefault, repository: IConfigRepository) -> tuple[Any, ...]:
    return default.config_path, default.package, default.primary, *_folders(repository)


def _folders(repository: IConfigRepository) -> tuple[str, ...]:
    return tuple(source.path for source in repository.get_sources())
