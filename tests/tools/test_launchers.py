"""The shell scripts accept only whole numbers, evaluate nothing, and pass every argument on unchanged."""

import os
import subprocess

import pytest

from tests.conftest import ROOT

SECRET = "a[$(touch {mark})]"


def shell(script, *arguments, **environment):
    known = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    return subprocess.run(
        ["bash", ROOT / "tools" / script, *map(str, arguments)],
        env={**known, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def echo(tmp_path):
    """Write programs ``python`` and ``srun`` that print each of their arguments on a line."""
    for name in ("python", "srun"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "threads=${OMP_NUM_THREADS:-}" "$@"\n')
        path.chmod(0o755)
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


@pytest.mark.parametrize("number", ["0", "four", "-1", "1.5", "", "08", "99999", "1 2", "1;2", SECRET])
@pytest.mark.parametrize(
    ("script", "before"), [("dist_train.sh", ["c.py"]), ("dist_test.sh", ["c.py", "k.pth"])]
)
def test_what_is_no_number_of_gpus_is_one_line(script, before, number, tmp_path, echo):
    mark = tmp_path / "mark"
    done = shell(script, *before, number.format(mark=mark), **echo)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: bash tools/{script} CONFIG")
    assert done.stderr.count("\n") == 1
    assert not mark.exists()


@pytest.mark.parametrize("variable", ["GPUS", "GPUS_PER_NODE", "CPUS_PER_TASK"])
def test_slurms_numbers_are_numbers(variable, tmp_path, echo):
    mark = tmp_path / "mark"
    for value in ("0", "four", SECRET.format(mark=mark)):
        done = shell("slurm_train.sh", "partition", "job", "c.py", **{variable: value}, **echo)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "usage:" in done.stderr
    assert not mark.exists()


def test_arguments_are_passed_on_as_they_are(echo):
    odd = ["--work-dir", "with spaces", "--cfg-options", "a=*", "b=$(date)"]
    done = shell("dist_test.sh", "my config.py", "k.pth", 2, *odd, PORT="1", **echo)
    threads, *lines = done.stdout.splitlines()
    assert lines[-len(odd) :] == odd
    assert lines[-len(odd) - 4 : -len(odd)] == ["my config.py", "k.pth", "--launcher", "pytorch"]
    assert {"--nproc_per_node=2", "--master_port=1", "--nnodes=1"} <= set(lines)
    assert threads == f"threads={max(1, os.cpu_count() // 2)}"

    done = shell("slurm_train.sh", "p", "my job", "c.py", *odd, SRUN_ARGS="--mem=1G --exclude=a*", **echo)
    _, *lines = done.stdout.splitlines()
    assert lines[-len(odd) :] == odd
    assert {"--job-name=my job", "--ntasks=8", "--mem=1G", "--exclude=a*"} <= set(lines)


@pytest.mark.parametrize(
    ("errors", "last"),
    [
        (
            "error: c.py: no such file\nTraceback\n  ChildFailedError:\nRoot Cause",
            "error: c.py: no such file",
        ),
        (
            "Traceback\nDistNetworkError: port: 4711, name: EADDRINUSE, message: address already in use",
            "error: port 4711 is in use: set PORT to another number",
        ),
        ("Traceback\n  ChildFailedError:\nRoot Cause", "Root Cause"),
        ("error: one of a run that goes on\nmore", "more"),
    ],
)
def test_the_line_that_says_why_is_the_last(errors, last, echo, tmp_path):
    python = tmp_path / "bin" / "python"
    python.write_text('#!/usr/bin/env bash\necho out; printf %s "$ERRORS" >&2; exit 3\n')
    done = shell("dist_train.sh", "c.py", 2, ERRORS=errors, PORT="4711", **echo)
    assert (done.returncode, done.stdout) == (3, "out\n")
    assert done.stderr.startswith(errors)
    assert done.stderr.splitlines()[-1] == last
    assert done.stderr.count("\n") == errors.count("\n") + 1 + (last not in errors.splitlines()[-1])
