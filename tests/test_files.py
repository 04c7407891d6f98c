"""Finding files, checking outputs, writing atomically, and reading with a limit."""

import os
from pathlib import Path

import pytest

from lednet_mm.errors import InputError
from lednet_mm.files import check_outputs, find_files, read_regular, write_atomically, write_output


def test_the_walk_follows_links_once_and_leaves_hidden_files_out(tmp_path):
    inside, linked = tmp_path / "inside", tmp_path / "linked"
    for path in (
        inside / "a.PNG",
        inside / "sub" / "b.png",
        inside / ".hidden" / "c.png",
        inside / "._a.png",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    linked.mkdir()
    (linked / "d.png").touch()
    (inside / "link").symlink_to(linked)
    (inside / "sub" / "circle").symlink_to(inside)
    (inside / "nowhere.png").symlink_to(tmp_path / "missing.png")
    (inside / "out").mkdir()
    (inside / "out" / "e.png").touch()
    found = find_files(inside, ".png", leave_out=[inside / "out"])
    assert [str(path.relative_to(inside)) for path in found] == ["a.PNG", "link/d.png", "sub/b.png"]


def test_outputs_are_checked_before_the_work(tmp_path):
    source = tmp_path / "a.png"
    source.touch()
    (tmp_path / "link.png").symlink_to(source)
    check_outputs([tmp_path / "new" / "b.png"], [source])
    with pytest.raises(InputError, match="itself an input"):
        check_outputs([tmp_path / "link.png"], [source], overwrite=True)
    with pytest.raises(InputError, match="written twice"):
        check_outputs([tmp_path / "b.png", tmp_path / "new" / ".." / "b.png"])
    with pytest.raises(InputError, match="--overwrite"):
        check_outputs([source])
    check_outputs([source], overwrite=True)
    with pytest.raises(InputError, match="is a folder"):
        check_outputs([tmp_path], overwrite=True)
    with pytest.raises(InputError, match="not a file name"):
        check_outputs([""])
    with pytest.raises(InputError, match=r"cannot write to .*a\.png/sub"):
        check_outputs([source / "sub" / "b.png"])


def test_an_output_with_other_content_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "out.txt"
    assert write_output(path, b"one")
    assert not write_output(path, b"one")
    with pytest.raises(InputError, match="exists already"):
        write_output(path, b"two")
    assert path.read_bytes() == b"one"
    assert write_output(path, b"two", overwrite=True)


def test_a_write_leaves_no_part_and_keeps_permissions(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o666 & ~_mask()
    path.chmod(0o640)
    write_atomically(path, b"two")
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(FileExistsError) as caught:
        write_atomically(path / "below", b"three")
    assert str(path) in str(caught.value.filename)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_pipes_and_large_files_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    Path(tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(ValueError, match="regular"):
        read_regular(tmp_path / "pipe", 10)
    with pytest.raises(ValueError, match="larger"):
        read_regular(tmp_path / "large", 10)
    assert read_regular(tmp_path / "large", 11) == b"x" * 11
