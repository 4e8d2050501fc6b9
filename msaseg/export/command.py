"""Write, compare and keep the program that a command line asks for."""

import os
import sys
from argparse import Namespace
from pathlib import Path

from msaseg.cli.errors import UserError
from msaseg.data.frames import Pixels
from msaseg.export.formats import FORMATS, Format
from msaseg.export.metadata import metadata, size_in_words
from msaseg.export.parity import AGREEMENT, DIFFERENCE, Parity, compare, frames
from msaseg.export.program import program
from msaseg.records.files import check_output
from msaseg.training.restore import Restored, restore


def export(options: Namespace) -> int:
    """Write, open, compare, and keep the file if it computes the same.

    Returns:
        0, or 1 if it does not.

    Raises:
        UserError: the checkpoint, the frames, the format or the output cannot be used.
    """
    chosen = FORMATS[options.format]
    chosen.check()
    output = options.out or Path(options.checkpoint).with_suffix(chosen.suffix)
    inside, trained = options.processing == "inside", options.size == "trained"
    if output.suffix != chosen.suffix:
        raise UserError(f"--out {output}: a file of --format {options.format} ends in {chosen.suffix}")
    check_output(output)
    restored = restore(options.checkpoint)
    if output.resolve() == restored.path.resolve():
        raise UserError(f"--out {output}: the checkpoint itself: give another file")
    images = frames(options.frames, restored.size)
    part = output.with_name(f".{output.stem}.{os.getpid()}.part{chosen.suffix}")
    try:
        parity = _written(chosen, part, restored, inside, trained, images)
        print(
            f"{parity.pixels} pixels of {len(images)} {'frames' if options.frames else 'synthetic scenes'}: "
            f"largest difference of logits {parity.difference:.2g} (largest logit {parity.largest:.3g}), "
            f"{100 * parity.agreement:.4f} % of the labels agree"
        )
        if not parity.holds:
            limits = f"at least {100 * AGREEMENT} % and at most {DIFFERENCE:g} of the largest logit"
            print(f"error: {output}: not kept: it does not compute what PyTorch does ({limits})", file=sys.stderr)
            return 1
        os.replace(part, output)
    except OSError as error:
        raise UserError(f"--out {output}: cannot be written ({error.strerror}): give another file") from error
    finally:
        part.unlink(missing_ok=True)
    print(f"{output}: {size_in_words(restored, trained)}")
    return 0


def _written(
    chosen: Format, part: Path, restored: Restored, inside: bool, trained: bool, images: list[Pixels]
) -> Parity:
    """Write and open a file and compare it with the net.

    Raises:
        UserError: the format cannot hold the net, or what runs the format cannot run it.
        OSError: the file cannot be written.
    """
    try:
        chosen.write(program(restored, inside, trained), part, metadata(restored, inside, trained))
        return compare(chosen.open(part), restored, images, inside, trained)
    except OSError:
        raise
    except Exception as error:  # recorders and runtimes raise whatever they like
        reason = (" ".join(str(error).split()) or type(error).__name__)[:160]
        raise UserError(f"{chosen.name} cannot hold {restored.name} ({reason}): write another format") from error
