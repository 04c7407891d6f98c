"""In a report's folder, a user's files are kept, and those of an earlier report are replaced or removed."""

import json

import pytest

from lednet_mm.errors import InputError
from lednet_mm.reports.folder import ReportFolder


def names(folder):
    return {path.name for path in folder.iterdir()} - {ReportFolder.LIST}


def test_what_an_earlier_report_wrote_is_replaced_and_removed(tmp_path):
    out = tmp_path / "deep" / "out"
    first = ReportFolder(out)
    assert not out.exists()
    assert {path.name for path in first.write({"a.md": b"1", "b.csv": b"1"})} == {"a.md", "b.csv"}
    assert ReportFolder(out).write({"a.md": b"1", "b.csv": b"1"}) == ()
    assert [path.name for path in ReportFolder(out).write({"a.md": b"2"})] == ["a.md"]
    assert names(out) == {"a.md"}
    assert (out / "a.md").read_bytes() == b"2"


def test_files_of_others_stay(tmp_path):
    for name in ("latency_mine.csv", "predictions_mine.png", "ablation_notes.md"):
        (tmp_path / name).write_text("mine")
    ReportFolder(tmp_path).write({"latency.csv": b"1"})
    (tmp_path / "latency.csv").write_text("changed by hand")
    ReportFolder(tmp_path).write({"other.csv": b"1"})
    assert (tmp_path / "latency.csv").read_text() == "changed by hand"
    assert len(names(tmp_path)) == 5


def test_a_file_of_others_is_replaced_only_where_that_is_asked_for(tmp_path):
    (tmp_path / "summary.csv").write_text("mine")
    with pytest.raises(InputError, match=r"summary\.csv exists already: --overwrite"):
        ReportFolder(tmp_path).write({"latency.csv": b"1", "summary.csv": b"1"})
    assert names(tmp_path) == {"summary.csv"}
    ReportFolder(tmp_path, overwrite=True).write({"summary.csv": b"1"})
    assert (tmp_path / "summary.csv").read_bytes() == b"1"
    ReportFolder(tmp_path).write({"summary.csv": b"2"})  # now it is the report's
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        ReportFolder(tmp_path, overwrite=True).write({"folder.md": b"1"})


def test_a_file_of_the_same_content_is_ours(tmp_path):
    (tmp_path / "summary.csv").write_bytes(b"1")
    assert ReportFolder(tmp_path).write({"summary.csv": b"1"}) == ()
    assert [path.name for path in ReportFolder(tmp_path).write({"summary.csv": b"2"})] == ["summary.csv"]


def test_a_link_to_a_file_of_others_is_not_ours(tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine.csv"
    ReportFolder(out).write({"summary.csv": b"1"})
    mine.write_bytes(b"1")
    (out / "summary.csv").unlink()
    (out / "summary.csv").symlink_to(mine)
    with pytest.raises(InputError, match="exists already"):
        ReportFolder(out).write({"summary.csv": b"2"})
    ReportFolder(out).write({})
    assert (out / "summary.csv").is_symlink()
    assert mine.read_bytes() == b"1"


def test_an_edited_list_removes_nothing_else(tmp_path):
    out, secret = tmp_path / "out", tmp_path / "secret.csv"
    ReportFolder(out).write({"summary.csv": b"1"})
    for path in (secret, out / "title.txt", out / "study.json"):
        path.write_bytes(b"1")
    (digest,) = json.loads((out / ReportFolder.LIST).read_text())["files"]["summary.csv"]
    edited = {name: [digest] for name in ("../secret.csv", "title.txt", "study.json", str(secret))}
    (out / ReportFolder.LIST).write_text(json.dumps({"files": edited}))
    ReportFolder(out).write({"latency.csv": b"1"})
    assert secret.exists()
    assert names(out) == {"title.txt", "study.json", "summary.csv", "latency.csv"}
    for damaged in ("{", "[]", '{"files": 1}', ""):
        (out / ReportFolder.LIST).write_text(damaged)
        assert ReportFolder(out).earlier == {}


def test_a_report_that_was_cut_off_owns_what_it_wrote(tmp_path, monkeypatch):
    ReportFolder(tmp_path).write({"a.csv": b"1", "b.csv": b"1"})
    from lednet_mm.reports import folder

    written = folder.write_atomically

    def stop_at_b(path, data):
        if path.name == "b.csv":
            raise KeyboardInterrupt
        written(path, data)

    monkeypatch.setattr(folder, "write_atomically", stop_at_b)
    with pytest.raises(KeyboardInterrupt):
        ReportFolder(tmp_path).write({"a.csv": b"2", "b.csv": b"2"})
    monkeypatch.undo()
    assert (tmp_path / "a.csv").read_bytes() == b"2"
    ReportFolder(tmp_path).write({"a.csv": b"3", "b.csv": b"3"})
    assert {(tmp_path / name).read_bytes() for name in ("a.csv", "b.csv")} == {b"3"}


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(InputError, match="a file stands where a folder is needed") as raised:
            ReportFolder(place)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", ["my notes", '{"mine": 1}', '{"files": {}, "mine": 1}'])
def test_a_list_that_is_none_of_ours_is_not_replaced_unasked(content, tmp_path):
    (tmp_path / ReportFolder.LIST).write_text(content)
    with pytest.raises(InputError, match=r"\.report\.json exists already: --overwrite"):
        ReportFolder(tmp_path).write({"a.md": b"1"})
    assert (tmp_path / ReportFolder.LIST).read_text() == content
    assert names(tmp_path) == set()
    ReportFolder(tmp_path, overwrite=True).write({"a.md": b"1"})
    ReportFolder(tmp_path).write({"a.md": b"2"})
