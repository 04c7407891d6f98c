"""The README's commands exist, take the options shown, and name configs that exist."""

import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from lednet_mm.config import load_config
from lednet_mm.studies.plan import read_study

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line.split(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
TOOLS = [shlex.split(command) for command in COMMANDS if "tools/" in command]
BROUGHT = ("benchmarks", "configs", "reports", "tests", "tools")
"""Folders of the project in which the commands read."""


@cache
def help_of(tool: str) -> str:
    return subprocess.run(
        [sys.executable, ROOT / tool, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def test_there_are_commands():
    assert len(TOOLS) > 10
    assert {command.split()[1] for command in COMMANDS if command.startswith("make ")} == {"demo", "test"}


@pytest.mark.parametrize("words", TOOLS, ids=" ".join)
def test_a_command_of_the_readme(words):
    launcher, tool, *arguments = words
    assert (ROOT / tool).is_file()
    for argument in arguments:
        if argument.startswith("configs/studies/"):
            read_study(ROOT / argument)
        elif argument.startswith("configs/"):
            load_config(ROOT / argument)
    if launcher == "bash":
        assert subprocess.run(["bash", "-n", ROOT / tool], check=False).returncode == 0
        return
    shown = help_of(tool)
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert re.search(rf"{option}\b", shown), f"{tool} has no {option}"
    if tool == "tools/prepare_dataset.py":
        assert arguments[0] in shown


def written() -> set[str]:
    """Return the paths in the README's commands that do not belong to the project: data and results."""
    words = [word for command in COMMANDS for word in shlex.split(command)]
    paths = {word for word in words if "/" in word or word.endswith((".pth", ".onnx"))}
    paths |= {word for before, word in pairwise(words) if before in ("--out", "--work-dir")}
    return {path for path in paths if not path.startswith(("/", *(f"{name}/" for name in BROUGHT)))}


def test_git_ignores_what_the_commands_write(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text())
    paths = sorted(written() | {".venv", "data", "work_dirs"})
    assert {"predictions", "submission", "lednet_camvid.pth", "lednet_camvid.onnx"} <= set(paths)
    for path in paths:
        done = subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False)
        assert done.returncode == 0, f"{path} would be shown by git status"
    brought = subprocess.run(["git", "check-ignore", *BROUGHT], cwd=tmp_path, capture_output=True, text=True)
    assert brought.stdout == ""


def test_every_link_of_the_readme_leads_somewhere():
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    assert links
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [link for link in links if not (link in anchors or (ROOT / link).exists())] == []


def texts() -> list[Path]:
    """Return every file of the project in which a user can read how something is installed."""
    folders = [ROOT / name for name in ("docs", "lednet_mm", "tools", "benchmarks", "configs")]
    found = [
        path for folder in folders for path in folder.rglob("*.*") if path.suffix in (".md", ".py", ".sh")
    ]
    return [*found, ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "Makefile"]


def test_what_is_to_be_installed_is_the_checkout_or_a_package_of_the_dependencies():
    project = (ROOT / "pyproject.toml").read_text()
    extras = re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1], re.MULTILINE)
    packages = {*re.findall(r'"([\w-]+)[>=]=', project), "onnxruntime-gpu"}
    assert {"deploy", "cluster"} <= set(extras)
    assert {"torch", "onnxruntime"} <= packages
    found = [
        (path, line)
        for path in texts()
        for line in re.findall(r"pip install ([^`\n\"),;:]+)", path.read_text())
    ]
    assert len(found) >= 8
    for path, line in found:
        words = shlex.split(line.replace("in the checkout", ""))
        while words:
            word = words.pop(0)
            if word in ("-r", "-e"):
                named = re.fullmatch(r"\.(?:\[(\w+)\])?|requirements(?:-dev)?\.txt", words.pop(0))
                assert named, f"{path}: {line}"
                assert named[1] is None or named[1] in extras, f"{path}: no extra {named[1]}"
            elif not word.startswith("-"):
                assert word in packages, f"{path}: pip install {word}: not one of this project's dependencies"
