"""One run, or a sweep of runs: `python -m msaseg.train [model=..] [protocol=..] [+experiment=..] [-m]`.

Composes the configuration, checks and freezes it, trains, tests, and writes one record. A run whose record exists
is not made again; a run that was broken off goes on from its last checkpoint.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from msaseg.cli.checks import check
from msaseg.cli.command import one_line, refuse_flags
from msaseg.cli.errors import UserError
from msaseg.cli.stopping import stops_in_one_line
from msaseg.config import CONF
from msaseg.sweep import launcher
from msaseg.sweep.gpus import visible_gpus
from msaseg.sweep.places import own_gpus
from msaseg.tables.record_path import RecordPaths, path_of_record

log = logging.getLogger(__name__)


@hydra.main(config_path=str(CONF), config_name="train", version_base="1.3")
def run(config: DictConfig) -> None:
    """Make one run, unless its record exists."""
    with one_line():  # here too: Hydra adds a line of its own to an exception that leaves the job
        check(config)
        _check_row(config)
        OmegaConf.set_readonly(config, True)
        record = None if config.debug else path_of_record(config)
        if record and record.exists() and not config.rerun:
            log.info("finished before: %s (rerun=true trains again)", record)
            return
        if record and config.get("compute"):  # torch and Lightning load only when there is something to do
            from msaseg.training.compute import compute

            compute(config, record)
            return
        devices = config.trainer.devices
        gpus = [] if config.trainer.accelerator == "cpu" else visible_gpus()
        with own_gpus(gpus, devices if isinstance(devices, int) else 1):
            from msaseg.training.run import train

            train(config, Path(HydraConfig.get().run.dir), record)  # the same place under every launcher


def _check_row(config: DictConfig) -> None:
    """Refuse a row by name where it follows from other keys: it would be filed under a net that it does not train."""
    swept = HydraConfig.get().sweeper.params or {}
    named = any(word.lstrip("+").startswith("row=") for word in HydraConfig.get().overrides.task)
    if named and config.table.get("rows") is not None and "row" not in swept:
        keys = " and ".join(key for key in swept if key != "seed")
        raise UserError(f"row={config.row}: the rows of {config.table.id} follow from {keys}: set that instead")


def _check_words(words: Sequence[str]) -> None:
    """Refuse what Hydra would pass over, or tell in its own grammar's words."""
    several = {"-m", "--multirun"} & set(words)
    for before, word in zip(["", *words], words, strict=False):
        with one_line():
            if word.lstrip("+").startswith(("hydra/launcher=", "hydra.launcher.")) and not several:
                raise UserError(f"{word}: a launcher makes the runs of a sweep: add -m")
            if word.isidentifier() and (not before.startswith("-") or before in ("-m", "--multirun")):
                raise UserError(f"{word}: write KEY=VALUE, as in protocol=smoke")


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: with status 2 after a mistake of the user, 143 or 130 after SIGTERM or Ctrl-C, told in one line
            on stderr.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # exceptions reach `explain` instead of Hydra's printer
    logging.raiseExceptions = False  # a log that cannot be written stops nothing, and takes no traceback a line
    launcher.register(RecordPaths)
    _check_words(sys.argv[1:])
    sys.argv[1:] = launcher.reorder_flags(sys.argv[1:])
    with stops_in_one_line(), one_line():
        refuse_flags(sys.argv[1:], "python -m msaseg.train protocol=smoke")
        run()


if __name__ == "__main__":
    main()
