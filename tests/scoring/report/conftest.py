"""Reports, small and real, and a browser to open them in."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from algoperf.versions import load_version
from algoperf_scoring import DOCUMENTED, Comparison, Leaderboard, rank, read_comparison, sources
from algoperf_scoring.report import write_report
from algoperf_scoring.submission_info import SubmissionInfo
from places import SHARED_LOGS

LOGS = SHARED_LOGS
PATIENCE_MSEC = 100_000  # what a browser does takes milliseconds, but the processor may be busy
EVIL = "</script><img src=x onerror=alert(1)>&'\""
"""What a careless or malicious name might be; a folder's name cannot have a slash."""

_SHAPE = {"wmt": 20000.0, "ogbg": 5000.0, "fastmri": 3000.0, "criteo1tb": 6000.0}


def fill(runs) -> None:
    """Three submissions, four workloads, three studies, two trials; some never get there, one has no results."""
    for i, name in enumerate(("alpha", "beta", EVIL.replace("/", "|"))):
        for j, (workload, scale) in enumerate(_SHAPE.items()):
            if (i, j) == (2, 3):
                continue
            for study in range(3):
                seconds = scale * (1 + 0.2 * i + 0.07 * ((study * 5 + i + j) % 4))
                place = {"study": study, "status": {"ruleset": "external", "hardware": {"devices": ["gpu:V100"]}}}
                if (i, j) == (1, 1) and study < 2:
                    runs.missing(name, workload, trial=1, **place)
                else:
                    folder = runs.reaching(name, workload, seconds, trial=1, **place)
                    (folder / "hparams.json").write_text(f'{{"learning_rate": {0.01 * (i + 1)}, "kind": "</script>"}}')
                runs.trial(name, workload, _approach(runs, workload, seconds), trial=2, **place)


def _approach(runs, workload: str, seconds: float) -> list[tuple[float, float]]:
    """Comes close to the target, step by step, and never gets there."""
    limits = runs.version.limits(workload)
    sign = -1 if limits.goal == "max" else 1
    target = limits.validation_target
    return [(seconds * k / 10, target + sign * abs(target) * (0.4 - 0.03 * k)) for k in range(1, 11)]


@pytest.fixture
def board(runs) -> Leaderboard:
    fill(runs)
    comparison = read_comparison(sources(runs.root), load_version(), "external")
    infos = {"alpha": SubmissionInfo(name=EVIL, authors=EVIL, description=EVIL, link="https://example.org/alpha")}
    return rank(comparison, DOCUMENTED, "alpha", infos)


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Callable[[str], Comparison]:
    """The comparison of all published runs of a ruleset; skips where they are not at hand."""
    read: dict[str, Comparison] = {}

    def comparison(ruleset: str) -> Comparison:
        file = LOGS / f"v05_{ruleset}.tar.xz"
        if not file.is_file():
            pytest.skip(f"competition logs are not at hand: {file.name}")
        if ruleset not in read:
            folder = tmp_path_factory.mktemp(file.name)
            with tarfile.open(file) as content:
                content.extractall(folder, filter="data")
            (root,) = (path.parent for path in folder.glob("**/baseline"))
            read[ruleset] = read_comparison(sources(root), load_version("v0.5"), ruleset)
        return read[ruleset]

    return comparison


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's chromium; `bash ci/browser.sh` installs it."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium is installed: bash ci/browser.sh")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A report in a browser. Whatever the browser complained about, or asked for, is in `complaints`."""

    page: Any
    url: str
    complaints: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Wait until everything is drawn."""
        self.until("document.documentElement.classList.contains('is-live')")
        self.page.evaluate("(typeof report === 'undefined' ? targets : report).settled")

    def until(self, expression: str) -> None:
        """Wait until an expression is true. Playwright's own way needs `eval`, which the page's policy forbids."""
        for _ in range(4000):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"never true: {expression}")

    def go(self, fragment: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto(self.url + fragment)
        self.settle()


@pytest.fixture
def opened(chromium) -> Iterator[Callable[..., Opened]]:
    """Opens a file; at the end there must have been no error, no warning and no request but the file itself."""
    pages: list[Opened] = []

    def opener(file: Path, width: int = 1280, height: int = 900, **options: Any) -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MSEC)
        page = Opened(context.new_page(), file.resolve().as_uri())
        page.page.on("console", lambda message: page.complaints.append(f"console: {message.text}"))
        page.page.on("pageerror", lambda error: page.complaints.append(f"error: {error}"))
        page.page.on("request", lambda request: _note_request(page, request.url))
        page.page.on("dialog", lambda dialog: page.complaints.append(f"dialog: {dialog.message}"))
        page.page.goto(page.url)
        if options.get("java_script_enabled", True):
            page.settle()
        pages.append(page)
        return page

    yield opener
    for page in pages:
        page.page.context.close()
    assert [complaint for page in pages for complaint in page.complaints] == []


def _note_request(page: Opened, url: str) -> None:
    if url.partition("#")[0] != page.url and not url.startswith("blob:"):
        page.complaints.append(f"request: {url[:200]}")


@pytest.fixture(scope="session", params=["self", pytest.param("external", marks=pytest.mark.full)])
def real_ruleset(request) -> str:
    """A ruleset of v0.5. For self-tuning there are few submissions, for external tuning eleven."""
    return request.param


@pytest.fixture(scope="session")
def real_file(archive, real_ruleset: str, tmp_path_factory) -> Path:
    """The report of all submissions of v0.5 to a ruleset."""
    file = tmp_path_factory.mktemp("report") / f"v05_{real_ruleset}.html"
    write_report(rank(archive(real_ruleset), DOCUMENTED), file)
    return file


@pytest.fixture
def file(board: Leaderboard, tmp_path: Path) -> Path:
    """The report of the small comparison."""
    path = tmp_path / "small.html"
    write_report(board, path)
    return path
