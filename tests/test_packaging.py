"""What is shipped: the versions that the package accepts of others, and a wheel that works without the repository."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from command_line import TINY
from packaging.requirements import Requirement

from msaseg import __version__
from msaseg.config import CONF, ROOT, find_checkout

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NEEDED = ["pyproject.toml", "setup.py", "README.md", "LICENSE", "msaseg", "conf"]
"""Of the repository, to build the wheel."""


@pytest.mark.parametrize(
    ("package", "refused", "taken"),
    [
        ("pytorch-lightning", ["2.6.1", "2.6.2", "2.6.3", "2.6.5", "3.0.0"], "2.6.6"),
        ("hydra-core", ["1.3.2", "1.3.6", "1.4.0"], "1.3.7"),
    ],
)
def test_release_when_malicious_or_with_an_advisory_is_refused(package, refused, taken):
    (needed,) = (each for each in map(Requirement, PROJECT["dependencies"]) if each.name == package)
    assert needed.specifier.contains(taken)
    assert [version for version in refused if needed.specifier.contains(version)] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy: a build leaves folders beside the sources."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", str(source), *options], check=True)
    (built,) = folder.glob("msaseg-*.whl")
    return built


def test_wheel_when_built_holds_every_module_the_configuration_and_no_tests(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    conf = {f"msaseg/conf/{path.relative_to(CONF)}" for path in CONF.rglob("*.yaml")}
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "msaseg").rglob("*.py")}
    data = {f"msaseg/{name}" for name in ("py.typed", "data/manifest.tsv")}
    data |= {
        str(path.relative_to(ROOT))
        for path in (ROOT / "msaseg/report").glob("*/*")
        if path.parent.name in ("static", "templates")
    }
    assert held == conf | code | data


def test_checkout_when_a_package_lies_in_none_is_not_found(tmp_path):
    assert find_checkout(ROOT / "msaseg") == ROOT
    assert find_checkout(tmp_path / "msaseg") is None
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "train.yaml").touch()  # another package's, say
    assert find_checkout(tmp_path / "msaseg") is None


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a command of the wheel, installed beside this environment's packages, in an empty folder."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    options = ["--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", *options, str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MSASEG_", "PYTHON"))}

    def run(*words, cwd):
        command = [str(folder / "bin" / "python"), *words]
        done = subprocess.run(command, cwd=cwd, env=clean | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.script = folder / "bin" / "msaseg"
    return run


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "export", "benchmark", "tables", "data"])
def test_installed_wheel_when_asked_for_help_gives_it(installed, tmp_path, command):
    said = ", backbone_replication_sweep, " if command == "train" else f"msaseg.{command}"
    assert said in installed("-m", f"msaseg.{command}", "--help", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_installed_script_when_called_runs_a_command(installed, tmp_path):
    assert "msaseg COMMAND" in installed(installed.script, "--help", cwd=tmp_path)
    assert "protocol: laptop, " in installed(installed.script, "train", "--help", cwd=tmp_path)


@pytest.mark.slow
def test_installed_wheel_when_used_keeps_everything_in_outputs_of_the_working_folder(installed, tmp_path):
    told = installed("-m", "msaseg.train", *TINY, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    (record,) = tmp_path.glob("outputs/records/single/smoke/msanet/*.json")
    assert str(record) in told
    assert json.loads(record.read_text())["code"] == {"commit": None, "dirty": True}
    (weights,) = tmp_path.rglob("weights.ckpt")
    draw = "from PIL import Image; Image.new('RGB', (200, 100)).save('a.png')"
    installed("-c", draw, cwd=tmp_path)
    installed("-m", "msaseg.predict", str(weights), "a.png", "--out", "segmented", cwd=tmp_path)
    assert (tmp_path / "segmented" / "labels" / "a.png").is_file()
    installed("-m", "msaseg.evaluate", str(weights), cwd=tmp_path)
    installed("-m", "msaseg.export", str(weights), "--format", "torchscript", cwd=tmp_path)
    assert weights.with_suffix(".pt").is_file()
    where = Path(installed("-c", "import msaseg.config as c; print(c.CONF)", cwd=tmp_path).strip())
    assert where.parts[-3:] == ("site-packages", "msaseg", "conf")


def test_citation_when_read_is_of_this_version_and_names_the_paper():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert {"message", "authors"} <= cited.keys()
    assert cited["title"] == PROJECT["name"]
    assert str(cited["version"]) == PROJECT["version"] == __version__
    assert cited["license"] == PROJECT["license"]
    assert cited["abstract"].rstrip(".") == PROJECT["description"]
    (paper,) = cited["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Sagar", "Soundrapandiyan"]
    assert paper["year"] == 2020
    assert paper["url"] == "https://arxiv.org/abs/2007.12685"
    bibtex = (ROOT / "README.md").read_text(encoding="utf-8").partition("@misc{sagar2020semantic")[2]
    assert f"{{{paper['title']}}}" in bibtex
