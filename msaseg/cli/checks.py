"""What composes but cannot be meant: said in one line before anything is built."""

import math

from omegaconf import DictConfig, OmegaConf

from msaseg.cli.errors import UserError

RATES = ("protocol.lr.pretrained", "protocol.lr.scratch", "model.lr", "model.encoder_lr")
PARTS = ("protocol.source", "protocol.split", "protocol.optimizer")
SWITCHES = ("rerun", "protocol.publish")
WHOLE = ("protocol.epochs", "protocol.watch_every", "protocol.width", "protocol.fc_channels")
SEEDS = 2**32
"""NumPy takes no larger one."""


def check(config: DictConfig) -> None:
    """Refuse what composes but cannot be meant.

    Raises:
        UserError: a row that the table does not have, a selection on test, devices that cannot share a batch, an
            encoder by its name alone, a number of another kind or out of range.
    """
    rows = config.table.get("rows")
    if rows is not None and config.row not in rows:
        raise UserError(f"row={config.row} is not a row of table {config.table.id}: {', '.join(rows)}")
    for key in SWITCHES:
        if not isinstance(OmegaConf.select(config, key), bool):
            raise UserError(f"{key}={OmegaConf.select(config, key)}: set true or false")
    if config.protocol.select not in ("last", "best"):
        raise UserError(f"protocol.select={config.protocol.select}: set last or best")
    if config.protocol.select == "best" and config.protocol.watch != "val":
        raise UserError("protocol.select=best chooses by the part watched: it needs protocol.watch=val, never test")
    if config.protocol.select == "best" and config.protocol.get("average") is not None:
        raise UserError(
            "protocol.select=best would choose averaged weights by the statistics of others: "
            "set protocol.average=null or protocol.select=last"
        )
    encoder = OmegaConf.select(config, "model.net.encoder")
    if isinstance(encoder, str):
        raise UserError(f"model.net.encoder={encoder}: a name means random weights: write model/net/encoder={encoder}")
    for key in PARTS:
        if not OmegaConf.is_dict(OmegaConf.select(config, key)):
            raise UserError(f"{key}={OmegaConf.select(config, key)}: set its keys, or choose another protocol")
    if "lr" in config.protocol.optimizer:
        raise UserError("protocol.optimizer.lr: every part has its own rate: set protocol.lr.scratch and .pretrained")
    for key in ("limit_test_batches", "fast_dev_run"):
        if config.trainer.get(key) is not None and not config.get("debug"):
            raise UserError(f"trainer.{key}: a record scores every test frame: leave it out, or add +debug=fast")
    _check_numbers(config)
    devices, batch = config.trainer.devices, config.data.batch_size
    if not _whole(batch, 1):
        raise UserError(f"data.batch_size={batch}: set a whole number, 1 or more (protocol.batch_size has it, too)")
    if not _whole(devices, 1) or batch % devices:
        raise UserError(f"trainer.devices={devices}: set a whole number that divides data.batch_size={batch}")


def _check_numbers(config: DictConfig) -> None:
    seed, size = config.seed, config.protocol.size
    if config.data.seed != seed:
        raise UserError(f"data.seed={config.data.seed}: the data take the run's: set seed={config.data.seed}")
    if not _whole(seed, 0) or seed >= SEEDS:
        raise UserError(f"seed={seed}: a seed is a whole number, 0 or more and below {SEEDS}")
    for key in WHOLE:
        if not _whole(OmegaConf.select(config, key), 1):
            raise UserError(f"{key}={OmegaConf.select(config, key)}: set a whole number, 1 or more")
    average = config.protocol.get("average")
    if average is not None and not (isinstance(average, float) and 0 < average < 1):
        raise UserError(f"protocol.average={average}: set a decay between 0 and 1, such as 0.999, or null")
    schedule = config.protocol.schedule
    if schedule is not None and not OmegaConf.is_dict(schedule):
        raise UserError(f"protocol.schedule={schedule}: set its keys, such as protocol.schedule.power=0.9, or null")
    if not OmegaConf.is_list(size) or len(size) != 2 or not all(_whole(side, 1) for side in size):
        raise UserError(f"protocol.size={size}: set [height, width] in whole pixels")
    for key in RATES:
        rate = OmegaConf.select(config, key)
        if not isinstance(rate, int | float) or not math.isfinite(rate) or rate < 0:
            raise UserError(f"{key}={rate}: set a finite number, 0 or more")


def _whole(value: object, lowest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= lowest
