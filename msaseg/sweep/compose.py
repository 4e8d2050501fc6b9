"""Compose the runs of a sweep from what they share: a tenth of the time that Hydra takes for each."""

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from hydra._internal.config_repository import ConfigRepository
from hydra.core.override_parser.types import Override, OverrideType
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

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
    run = base.copy()
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
    """Have Hydra read each configuration file once for all that is composed meanwhile: it then takes half the time.

    Yields the names of those asked for, such as "protocol/paper".
    """
    read, known, asked = ConfigRepository.load_config, dict[tuple[str, ...], ConfigResult | None](), set[str]()

    def read_once(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
        asked.add(config_path)
        place = (config_path, *(source.path for source in repository.sources))
        if place not in known:
            known[place] = read(repository, config_path)
        found = known[place]
        return found and replace(found, config=copy.deepcopy(found.config))  # overrides are written into the first

    with patch.object(ConfigRepository, "load_config", read_once):
        yield asked
