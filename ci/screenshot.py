"""Makes the picture of the report in the README anew: the top of the page on a folder of runs, as a small PNG.

    python ci/screenshot.py LOGS docs/images/report.png --version v0.5 --ruleset external

Needs chromium (`bash ci/browser.sh`). Options after OUTPUT are those of `algoperf report`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1400, 1800
MAX_BYTES = 300_000


def main() -> None:
    """Write the report of RUNS, open it, and save what a window shows of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder that holds one folder of runs per submission")
    parser.add_argument("output", type=Path, help="the PNG to write")
    options, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        command = [Path(sys.executable).with_name("algoperf"), "report", options.runs, "--output", page, "--no-checks"]
        subprocess.run([*map(str, command), *others], check=True)
        picture = _reduced(_picture(page))
    if len(picture) > MAX_BYTES:
        sys.exit(f"The picture has {len(picture):,} bytes; at most {MAX_BYTES:,} are allowed. Make it smaller: HEIGHT.")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(picture)
    print(f"Wrote {options.output} ({len(picture) / 1000:.0f} kB).")


def _picture(page: Path) -> bytes:
    """What a light window shows of a report when everything is drawn."""
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("No chromium is installed: bash ci/browser.sh")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        while not tab.evaluate("document.documentElement.classList.contains('is-live')"):
            tab.wait_for_timeout(25)
        tab.evaluate("report.settled")
        found = tab.screenshot()
        browser.close()
    return found


def _reduced(picture: bytes) -> bytes:
    """The same picture in 256 colours: a page needs no more."""
    file, image = io.BytesIO(), Image.open(io.BytesIO(picture)).convert("RGB")
    # Of Pillow's methods, this one keeps rare colours, such as those of lines.
    image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
