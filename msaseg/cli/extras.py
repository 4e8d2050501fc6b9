"""Packages that only some options need."""

from importlib.util import find_spec

from msaseg.cli.errors import UserError

ONNX = ("onnx", "onnxscript", "onnxruntime")


def check_onnx(option: str) -> None:
    """Raise if what an option needs is not installed.

    Raises:
        UserError: names the option, and the command that installs them.
    """
    absent = [name for name in ONNX if find_spec(name) is None]
    if absent:
        raise UserError(f"{option} needs {', '.join(absent)}: pip install -e '.[export]'")
