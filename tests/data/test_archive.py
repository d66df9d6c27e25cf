import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from algoperf.data.transfer.archive import extract
from algoperf.errors import DataError, UserError

BIG = np.random.default_rng(0).bytes(100_000)
FILES = {"a.txt": b"first", "deep/er/b.bin": BIG, "empty": b""}


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def make_tar(path: Path, files: dict[str, bytes] = FILES, extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for member in extra:
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def make_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name), content)
    return path


def make(path: Path, files: dict[str, bytes] = FILES) -> Path:
    return make_zip(path, files) if path.suffix == ".zip" else make_tar(path, files)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


ARCHIVES = ["x.tar", "x.tar.gz", "x.tgz", "x.zip"]


def assert_nothing_left(directory: Path, archive: Path) -> None:
    assert list(directory.iterdir()) == [archive]


@pytest.mark.parametrize("name", ARCHIVES)
def test_round_trip(tmp_path, name):
    extract(make(tmp_path / name), tmp_path / "out")
    assert tree(tmp_path / "out") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", name]


def test_dangerous_modes_are_not_taken_over_by_any_python(tmp_path, monkeypatch):
    """Python 3.11 has filters since 3.11.4; Debian's is older."""
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("a.txt")
        member.mode, member.uid = 0o6777, 12345
        tar.addfile(member)
    extract(archive, tmp_path / "new")
    monkeypatch.delattr(tarfile, "data_filter")
    extract(archive, tmp_path / "old")
    for folder in ("new", "old"):
        state = (tmp_path / folder / "a.txt").stat()
        assert not state.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)
        assert state.st_uid == os.getuid()


def test_single_gz(tmp_path):
    archive = tmp_path / "images.idx.gz"
    archive.write_bytes(gzip.compress(BIG))
    extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {"images.idx": BIG}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("member", ["../evil", "/tmp/evil", "ok/../../evil"])
def test_names_outside_the_tree_are_refused(tmp_path, name, member):
    (tmp_path / "in").mkdir()
    archive = make(tmp_path / "in" / name, {"fine": b"", member: b"evil"})
    with pytest.raises(DataError, match=rf"{name} is refused: its member '{member}' lies outside"):
        extract(archive, tmp_path / "in" / "out")
    assert_nothing_left(tmp_path / "in", archive)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret"])
def test_links_outside_the_tree_are_refused(tmp_path, kind, target):
    archive = make_tar(tmp_path / "x.tar", extra=(link("innocent", target, kind),))
    with pytest.raises(DataError, match=f"'innocent' links to '{target}'"):
        extract(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, archive)


def test_nothing_is_written_through_links(tmp_path):
    archive = make_tar(tmp_path / "x.tar", {"dir/file": b"x"}, (link("dir", "."),))
    with pytest.raises(DataError, match="'dir/file' is written through a link"):
        extract(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, archive)


def test_names_with_a_leading_dot(tmp_path):
    extract(make_tar(tmp_path / "x.tar", {"./a.txt": b"x"}), tmp_path / "out")
    assert tree(tmp_path / "out") == {"a.txt": b"x"}


def test_links_inside_the_tree_are_kept(tmp_path):
    extract(make_tar(tmp_path / "x.tar", extra=(link("deep/alias", "../a.txt"),)), tmp_path / "out")
    assert os.readlink(tmp_path / "out/deep/alias") == "../a.txt"
    assert (tmp_path / "out/deep/alias").read_bytes() == FILES["a.txt"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(tmp_path, kind):
    archive = make_tar(tmp_path / "x.tar", extra=(link("dev", "", kind),))
    with pytest.raises(DataError, match="'dev' is a device or a pipe"):
        extract(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, archive)


def test_symlinks_in_zip_are_refused(tmp_path):
    archive = tmp_path / "x.zip"
    member = zipfile.ZipInfo("alias")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="'alias' is a link"):
        extract(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, archive)


@pytest.mark.parametrize("name", [*ARCHIVES, "x.gz"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_truncated_archives(tmp_path, name, kept):
    archive = tmp_path / name
    if name == "x.gz":
        archive.write_bytes(gzip.compress(BIG))
    else:
        make(archive, {"a": BIG, "b": BIG})
    content = archive.read_bytes()
    archive.write_bytes(content[: max(int(kept * len(content)), 1)])
    with pytest.raises(DataError, match=rf"{name} cannot be unpacked.*Delete it and download it again"):
        extract(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, archive)


def test_a_tar_cut_between_two_members_is_truncated(tmp_path):
    """tarfile alone takes it for a complete archive with one member."""
    archive = make_tar(tmp_path / "x.tar", {"a": bytes(512), "b": bytes(512)})
    archive.write_bytes(archive.read_bytes()[:1024])
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["a"]
    with pytest.raises(DataError, match="end marker is missing"):
        extract(archive, tmp_path / "out")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_corrupt_bytes_are_noticed(tmp_path, name):
    archive = make(tmp_path / name, {"a": BIG})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(DataError, match="truncated or corrupt"):
        extract(archive, tmp_path / "out")
    assert_nothing_left(tmp_path, archive)


def test_user_mistakes(tmp_path):
    with pytest.raises(DataError, match=r"absent\.tar is not there"):
        extract(tmp_path / "absent.tar", tmp_path / "out")
    with pytest.raises(UserError, match=r"not one of \.tar"):
        extract(tmp_path / "x.rar", tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UserError, match="is not empty"):
        extract(make_tar(tmp_path / "x.tar"), tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b""}
