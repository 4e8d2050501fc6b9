"""What sweeps preload, loaded before anything else does: to see whether its import asks for a GPU."""

from contextlib import ExitStack
from importlib import import_module
from unittest.mock import patch

from msaseg.sweep.runs import Settings

QUESTIONS = (
    *("torch.cuda._lazy_init", "torch.cuda.device_count", "torch.cuda.is_available"),
    "torch._C._cuda_getDeviceCount",
)
MODULES = Settings.load().preload

with ExitStack() as stack:
    asked = {name: stack.enter_context(patch(name, return_value=0)) for name in QUESTIONS}
    for module in MODULES:
        import_module(module)

ASKED = [name for name, question in asked.items() if question.called]
"""Questions to CUDA that some import put."""
