"""What the name of a frame says: which sequence it is of, and when; without torch or OpenCV."""

import re
from pathlib import PurePath

from msaseg.cli.errors import UserError

FRAMES_PER_SECOND = 30
_NAME = re.compile(r"(?:.*/)?(?P<sequence>[^_/]+)_f?(?P<number>\d+)")


def seconds(name: str) -> tuple[str, float]:
    """Sequence and time of a frame: its number in a sequence of 30 frames a second.

    Raises:
        UserError: the name is not SEQUENCE_NUMBER.

    >>> seconds("0001TP_006690"), seconds("test/Seq05VD_f00030"), seconds("0016E5_07959.png")
    (('0001TP', 223.0), ('Seq05VD', 1.0), ('0016E5', 265.3))
    """
    match = _NAME.fullmatch(name.removesuffix(PurePath(name).suffix))
    if match is None:
        raise UserError(f"{name}: not a CamVid frame name such as 0001TP_006690: times need SEQUENCE_NUMBER")
    return match["sequence"], int(match["number"]) / FRAMES_PER_SECOND
