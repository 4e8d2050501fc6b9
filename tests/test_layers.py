"""Who may import whom: arrows go down, and what needs no torch loads none."""

import ast
import subprocess
import sys

from msaseg.config import ROOT

PACKAGE = ROOT / "msaseg"


def floors():
    """Return room to floor, from CONTRIBUTING: the highest floor comes first there."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = text.partition("```floors\n")[2].partition("```")[0].split("\n")
    floors_of = [line.split() for line in lines if line.strip()]
    return {room: -number for number, rooms in enumerate(floors_of) for room in rooms}


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


def test_each_file_imports_from_its_own_room_or_a_floor_below():
    floor, wrong = floors(), []
    for path in files():
        name = path.relative_to(PACKAGE)
        room = name.parts[0].removesuffix(".py")
        others = set(imports(path)) - {room, "__version__"}
        wrong += [f"{name} imports {imported}" for imported in others if floor[imported] >= floor[room]]
    assert wrong == []


def test_every_room_has_its_floor_and_no_module_is_loose_but_the_named():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert rooms | modules == set(floors())
    assert modules == {"__main__", "train", "config", "classes"}
    assert len(rooms) <= 20


TORCH_FREE = ["config", "records.run", "cli.errors", "cli.mistakes", "sweep.launcher", "train", "statistics"]
TORCH_FREE += [
    "records.provenance",
    "tables.__main__",
    "charts",
    "report.__main__",
    "dashboard.__main__",
    "figures.__main__",
]


def test_modules_that_need_no_torch_load_none_and_all_but_figures_no_plotting_package():
    code = f"""
import importlib, sys
for module in {TORCH_FREE}:
    importlib.import_module(f"msaseg.{{module}}")
    heavy = {{"torch", "plotly", "pandas"}} | ({{"matplotlib"}} if "figures" not in module else set())
    if heavy & sys.modules.keys():
        sys.exit(f"{{module}} loads {{heavy & sys.modules.keys()}}")
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stderr == ""
