"""What a machine does to a run: a full disk, memory that ran out, a loader worker that is lost; each with its mend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msaseg.cli.errors import UserError
from msaseg.cli.stopping import told_to_stop

LOADER = "the same command goes on; with data.num_workers=0 the run reads by itself"
MEMORY = "lower data.eval_batch_size or data.num_workers, or have devices share the batch: trainer.devices=2"
FAULTS = {
    r"DataLoader timed out": f"a loader worker hangs (is the disk of paths.data there?): {LOADER}",
    r"DataLoader worker \(pid": f"a loader worker died (was it killed for memory, or is /dev/shm full?): {LOADER}",
    r"out of memory|can't allocate memory": f"memory ran out: {MEMORY}",
}
"""What a message of torch holds to what it means, and what to do."""


@contextmanager
def faults_named(run_dir: Path) -> Iterator[None]:
    """Within it a fault of the machine ends in one line with the mend.

    Raises:
        UserError: memory or a loader worker was lost.
        OSError: a file cannot be written; it names one, or the run's folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename2 or error.filename or str(run_dir)  # of a copy the second is the new file
        raise
    except (RuntimeError, MemoryError) as error:
        text = "out of memory" if isinstance(error, MemoryError) else str(error)
        mend = next((mend for pattern, mend in FAULTS.items() if re.search(pattern, text)), None)
        if mend is None or told_to_stop():  # workers that are told to stop too may fail first
            raise
        raise UserError(mend) from error
