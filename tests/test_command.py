"""`msaseg COMMAND` is `python -m msaseg.COMMAND`."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from command_line import assert_one_line

from msaseg import __main__ as command
from msaseg.config import ROOT


def test_help_names_each_command_that_there_is_in_a_line_and_loads_nothing_slow():
    code = (
        "import sys; from msaseg.__main__ import main; main(['--help']);"
        "sys.exit(bool({'hydra', 'omegaconf', 'torch', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    for name in command.COMMANDS:
        assert f"\n  {name} " in done.stdout
        assert importlib.util.find_spec(f"msaseg.{name}") is not None
    runnable = {path.parent.name for path in (ROOT / "msaseg").glob("*/__main__.py")} | {"train"}
    assert runnable == set(command.COMMANDS)


@pytest.mark.parametrize(("word", "said"), [("trian", "did you mean train?"), ("xyz", "choose from benchmark, ")])
def test_command_when_unknown_is_one_line_and_status_2(capsys, word, said):
    assert command.main([word, "a=b"]) == 2
    assert_one_line(capsys, f"error: there is no command {word}: {said}")


@pytest.mark.parametrize(
    ("module", "words", "status"),
    [
        ("tables", ["list", "--table", "poling_sweep"], 2),
        ("train", ["--cfg", "job", "protocol=smoke"], 0),
    ],
)
def test_command_when_called_says_and_ends_as_the_module_does(tmp_path, module, words, status):
    environment = os.environ | {"MSASEG_OUTPUTS": str(tmp_path)}

    def run(*start):
        command = [sys.executable, "-m", *start, *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    own, expected = run("msaseg", module), run(f"msaseg.{module}")
    assert own.returncode == expected.returncode == status
    assert (own.stdout, own.stderr) == (expected.stdout, expected.stderr)


def test_script_of_the_package_is_this_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"msaseg": "msaseg.__main__:main"}


COMPLETE = """
COMP_LINE="$*" COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_msaseg
echo "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["msaseg", ""], " ".join(command.COMMANDS)),
        (["msaseg", "train", "model=msa"], "model=msanet"),
        (["msaseg", "train", "+experiment=po"], "+experiment=pooling_sweep"),
    ],
)
def test_completion_in_the_docs_knows_commands_groups_and_options(words, expected):
    (snippet,) = re.findall(r"```bash\n(_msaseg.*?)```", (ROOT / "docs" / "usage.md").read_text(), re.DOTALL)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = ["bash", "-c", snippet + COMPLETE, "bash", *words]
    done = subprocess.run(shell, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.stdout.split() == expected.split(), done.stderr
