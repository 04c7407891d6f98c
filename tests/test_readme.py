"""The README's commands exist, take the options shown, and name configs that exist."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lednet_mm.config import load_config
from lednet_mm.studies.plan import read_study

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line.split(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
TOOLS = [shlex.split(command) for command in COMMANDS if "tools/" in command]


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


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
