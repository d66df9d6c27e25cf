"""The raw files of LibriSpeech (Panayotov et al., 2015): archives, and the folders and transcripts in them.

LibriSpeech/<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac
LibriSpeech/<subset>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt     an id and a text in each line
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from algoperf.data.contracts import Split
from algoperf.data.transfer.download import RemoteFile
from algoperf.errors import DataError

_URL = "http://www.openslr.org/resources/12/"
TOKENIZER_SUBSET = "train-clean-100"  # whose transcripts the tokenizer is trained on
SUBSETS: Mapping[Split, tuple[str, ...]] = {
    "train": (TOKENIZER_SUBSET, "train-clean-360", "train-other-500"),
    "validation": ("dev-clean", "dev-other"),
    "test": ("test-clean",),
}
NUM_UTTERANCES: Mapping[str, int] = {
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2_703,
    "dev-other": 2_864,
    "test-clean": 2_620,
}
"""Utterances of each subset, before any are skipped."""


def _archive(subset: str, num_bytes: int, sha256: str) -> RemoteFile:
    name = archive_name(subset)
    return RemoteFile(_URL + name, name, num_bytes, sha256)


def archive_name(subset: str) -> str:
    """File name of a subset's archive."""
    return f"{subset}.tar.gz"


ARCHIVES = (
    _archive("dev-clean", 337_926_286, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
    _archive("dev-other", 314_305_928, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
    _archive("test-clean", 346_663_984, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
    _archive("train-clean-100", 6_387_309_499, "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"),
    _archive("train-clean-360", 23_049_477_885, "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"),
    _archive("train-other-500", 30_593_501_606, "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"),
)


@dataclass(frozen=True)
class Chapter:
    """One folder of recordings.

    Attributes:
      subset: such as `dev-clean`.
      folder: where it lies.
      num_bytes: of its recordings.
      texts: transcripts by utterance, sorted.
    """

    subset: str
    folder: Path
    num_bytes: int
    texts: Mapping[str, str]

    def recording(self, utterance: str) -> Path:
        """The FLAC file of an utterance."""
        return self.folder / f"{utterance}.flac"


def archives(raw_dir: Path) -> dict[str, Path]:
    """The archive of each subset."""
    return {subset: raw_dir / archive_name(subset) for subsets in SUBSETS.values() for subset in subsets}


def read_chapters(unpacked: Path, subset: str, num_utterances: int) -> list[Chapter]:
    """All chapters of a subset, in the order of their paths. DataError if they have another number of utterances."""
    root = unpacked / subset / "LibriSpeech" / subset
    found = [_read_chapter(path, subset) for path in sorted(root.glob("*/*/*.trans.txt"))]
    count = sum(len(chapter.texts) for chapter in found)
    if count != num_utterances:
        raise DataError(
            f"{root} has transcripts of {count} utterances, but {subset} has {num_utterances}. Is this another "
            f"scale's data? If not, delete {archive_name(subset)} and {unpacked}, and run the `download` task again."
        )
    return found


def _read_chapter(path: Path, subset: str) -> Chapter:
    """Read a file of transcripts. DataError if it is malformed, or does not fit the recordings beside it."""
    chapter = path.name.removesuffix(".trans.txt")
    texts: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        utterance, _, text = line.partition(" ")
        if not utterance.startswith(f"{chapter}-") or not text.strip() or utterance in texts:
            raise DataError(f"{path}, line {number}, is {line[:60]!r}, not the id of an utterance and its text.")
        texts[utterance] = text.strip()
    recordings = {file.stem: file.stat().st_size for file in path.parent.glob("*.flac")}
    for utterance in sorted(recordings.keys() - texts.keys()):
        raise DataError(f"{path} has no line for {path.parent / utterance}.flac.")
    for utterance in sorted(texts.keys() - recordings.keys()):
        raise DataError(f"{path.parent / utterance}.flac is missing, but {path.name} has its text.")
    return Chapter(subset, path.parent, sum(recordings.values()), dict(sorted(texts.items())))


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
