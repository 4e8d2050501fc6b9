"""The speed of nets, all in one run, in turns: `python -m msaseg.benchmark [nets=..] [size=..] [mode=..] [-m]`."""

import os
import sys

import hydra
from omegaconf import DictConfig, OmegaConf

from msaseg.cli.command import refuse_flags, told
from msaseg.cli.errors import UserError
from msaseg.cli.stopping import goes_on_from, stops_in_one_line
from msaseg.config import CONF
from msaseg.sweep.launcher import reorder_flags


def main() -> None:
    """Run the command line.

    The runs of `-m` follow each other in this process; one with a mistake or a failed net is told, the others go on.

    Raises:
        SystemExit: with status 1 if a net failed, 2 after a mistake of the user.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # exceptions reach `told` instead of Hydra's printer
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler that sees the memory would write to the terminal
    sys.argv[1:] = reorder_flags(sys.argv[1:])
    statuses: list[int] = []

    def run(config: DictConfig) -> None:
        try:
            OmegaConf.set_readonly(config, True)
            from msaseg.benchmark.run import measure

            statuses.append(measure(config))
        except UserError as error:
            statuses.append(told(error, []))

    with stops_in_one_line():
        goes_on_from(lambda: "the start")
        try:
            refuse_flags(sys.argv[1:], "python -m msaseg.benchmark size=224x224")
            hydra.main(config_path=str(CONF), config_name="benchmark", version_base="1.3")(run)()
        except Exception as error:
            statuses.append(told(error, [], config="benchmark"))
    sys.exit(max(statuses, default=0))


if __name__ == "__main__":
    main()
