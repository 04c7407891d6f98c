"""A folder is locked exactly as long as a process that holds the lock is alive."""

import errno
import multiprocessing
import os
import subprocess
import sys

import pytest

from lednet_mm.errors import InputError
from lednet_mm.files import FolderLock, holder_of, is_locked


def test_one_holder_at_a_time(tmp_path):
    with FolderLock.take(tmp_path / "run"):
        assert FolderLock.take(tmp_path / "run") is None
        assert f"process {os.getpid()} on" in holder_of(tmp_path / "run")
        with FolderLock.take(tmp_path / "other") as other:
            assert other is not None
    with FolderLock.take(tmp_path / "run") as again:
        assert again is not None


def test_asking_whether_a_folder_is_locked_changes_nothing(tmp_path):
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with FolderLock.take(tmp_path):
        assert is_locked(tmp_path)
        assert str(os.getpid()) in holder_of(tmp_path)
    assert not is_locked(tmp_path)
    assert not is_locked(tmp_path / "nowhere")


def test_a_full_disk_does_not_keep_a_folder_locked(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", no_space)
    with FolderLock.take(tmp_path) as lock:
        assert lock is not None
    assert not is_locked(tmp_path)


def test_a_child_keeps_it_and_its_death_releases_it(tmp_path):
    with FolderLock.take(tmp_path) as lock:
        child = subprocess.Popen(
            [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fd]
        )
    try:
        assert FolderLock.take(tmp_path) is None
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
    with FolderLock.take(tmp_path) as lock:
        assert lock is not None


def test_a_forked_child_does_not_keep_it(tmp_path):
    """A data loader's processes may outlive a training that has ended or was killed."""
    fork = multiprocessing.get_context("fork")
    meeting, go_on = fork.Barrier(2), fork.Event()
    with FolderLock.take(tmp_path):
        child = fork.Process(target=lambda: (meeting.wait(), go_on.wait()))
        child.start()
        meeting.wait()
        assert FolderLock.take(tmp_path) is None
    try:
        assert not is_locked(tmp_path)
        with FolderLock.take(tmp_path) as lock:
            assert lock is not None
    finally:
        go_on.set()
        child.join()


def test_what_a_dead_process_left_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text('{"host": "elsewhere", "pid": 1, "since": "long ago"}')
    assert holder_of(tmp_path) == "process 1 on elsewhere"
    with FolderLock.take(tmp_path) as lock:
        assert lock is not None
    (tmp_path / "lock").write_text("damaged")
    assert holder_of(tmp_path) == "another process"


def test_what_is_no_lock_is_never_written_to(tmp_path):
    mine, lock = tmp_path / "mine", tmp_path / "lock"
    mine.write_text("mine")
    for put in (
        lambda: lock.symlink_to(mine),
        lambda: lock.write_text("mine"),
        lock.mkdir,
        lambda: os.mkfifo(lock),
    ):
        put()
        with pytest.raises(InputError, match=r"lock is not a lock of this project"):
            FolderLock.take(tmp_path)
        assert not is_locked(tmp_path)
        if not lock.is_dir() and not lock.is_fifo():
            assert lock.read_text() == "mine"
        lock.rmdir() if lock.is_dir() else lock.unlink()
    lock.write_text('{"host": "elsewh')  # written by a process whose disk was full
    with FolderLock.take(tmp_path) as taken:
        assert taken is not None
