"""Who may import whom: arrows go down, and what needs no torch loads none."""

import ast
import subprocess
import sys

import pytest

from msaseg.config import ROOT

PACKAGE = ROOT / "msaseg"
FLOORS = {
    "errors": 0, "nets": 0, "losses": 0, "ohem": 0, "schedules": 0,
    "config": 1, "data": 1, "metrics": 1, "records": 1, "profile": 1, "provenance": 1, "checkpoints": 1, "gpus": 1,
    "mistakes": 1, "wandb_logger": 1, "wandb_mode": 1, "keywords": 1, "speeds": 1, "frame_matrices": 1,
    "stopping": 1, "intact": 1, "matrix_scores": 1, "checking": 1, "statistics": 1,
    "module": 2, "callbacks": 2, "slots": 2, "sweep_progress": 2, "launcher": 2, "tables": 2,
    "charts": 2, "restoring": 2,
    "running": 3, "recording": 3, "computing": 3, "train": 3, "overhead": 3, "figures": 3, "report": 3, "dashboard": 3,
    "evaluate": 3, "predict": 3, "export": 3, "benchmark": 3, "__main__": 3,
}  # fmt: skip


def imports(path):
    """Return the parts of the package that a file imports, function bodies included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "msaseg":
            tail = node.module.split(".")[1:]
            yield from [tail[0]] if tail else [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            yield from [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("msaseg.")]


def files():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.parent != PACKAGE)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_imports_from_its_own_floor_or_below(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for imported in imports(path):
        assert FLOORS[imported] <= FLOORS[part], f"{part} imports {imported}"
        if FLOORS[part] == 0:
            assert imported == part or part != "nets", f"nets import {imported}"
        assert imported != "train", f"{part} imports train"


TORCH_FREE = ["config", "records", "errors", "mistakes", "launcher", "train", "statistics"]
TORCH_FREE += ["tables.__main__", "charts", "figures.__main__", "report.__main__", "dashboard.__main__"]


@pytest.mark.parametrize("module", TORCH_FREE)
def test_module_that_needs_no_torch_loads_none(module):
    code = f"import sys, msaseg.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
