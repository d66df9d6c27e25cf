"""Whether somebody changed files, without reading them."""

import os

from algoperf.data.sightings import changed, sightings


def test_new_lost_and_changed_files_are_seen(tmp_path):
    for name in ("kept", "changed", "lost"):
        (tmp_path / name).write_text("0123")
    times = os.stat(tmp_path / "changed")
    before = sightings(tmp_path)
    assert changed(before, tmp_path) == []
    (tmp_path / "changed").write_text("4567")
    os.utime(tmp_path / "changed", ns=(times.st_atime_ns, times.st_mtime_ns))  # as if nothing had happened
    (tmp_path / "lost").unlink()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    assert changed(before, tmp_path) == ["changed", "lost", "new/file"]
