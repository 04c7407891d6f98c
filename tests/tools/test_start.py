"""Commands start quickly, import no more than they need, and run from a checkout that is not installed."""

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.runner import Runner

from lednet_mm.config import RUNNER_ARGUMENTS

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted((ROOT / "tools").glob("*.py"))
HEAVY = ("torch", "mmengine", "mmseg", "numpy", "pandas", "matplotlib", "scipy", "pydantic")

RUN = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ImportError(f"{{name}} is imported")
sys.meta_path.insert(0, Refuse())
sys.argv = {arguments!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_without(refused, *arguments):
    code = RUN.format(refused=refused, arguments=[str(argument) for argument in arguments])
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_help_imports_nothing_heavy(path):
    """Heavy imports would take seconds; all light ones together took 0.1 s when this was written."""
    done = run_without(HEAVY, path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    assert "example" in done.stdout


def test_importing_the_package_does_nothing():
    code = "import sys; before = set(sys.modules); import lednet_mm; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "{'lednet_mm'}\n"


@pytest.mark.thorough
def test_a_report_needs_no_pytorch(tmp_path):
    records = ROOT / "reports" / "lednet_camvid_cpu" / "records"
    done = run_without(("torch", "mmseg", "mmcv"), "tools/report.py", records, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").is_file()


def test_the_list_of_networks_needs_no_pytorch():
    done = run_without(("torch", "mmseg", "mmcv"), "tools/list.py", "networks", "--json")
    assert done.returncode == 0, done.stderr
    assert '"title": "DABNet"' in done.stdout


def test_a_plan_needs_no_pytorch(tmp_path):
    study = "configs/studies/smoke.py"
    done = run_without(
        ("torch", "mmseg", "mmcv"), "tools/sweep.py", study, "--dry-run", "--work-dir", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "lednet-default-streets-seed0" in done.stdout


@pytest.mark.thorough
def test_a_checkout_needs_no_installation(tmp_path):
    for name in ("tools", "lednet_mm"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "lednet_mm" / "__init__.py").write_text("print('the package beside the tools')")
    for path in TOOLS:
        command = [sys.executable, tmp_path / "tools" / path.name, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path.parent, timeout=60)
        assert done.stdout.startswith("the package beside the tools\nusage: "), done.stderr


def test_the_arguments_of_mmengines_runner():
    """With the project's list of these arguments, commands need not import PyTorch to know them."""
    assert set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"} == set(RUNNER_ARGUMENTS)
