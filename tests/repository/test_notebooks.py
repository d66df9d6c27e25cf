"""The notebooks of docs/notebooks: what is shown was printed by the code beside it, and the code still runs."""

from __future__ import annotations

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbclient and ipykernel: make setup")
nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient and ipykernel: make setup")

from places import REPOSITORY  # noqa: E402  (the packages above are checked first)

NOTEBOOKS = sorted((REPOSITORY / "docs/notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_it_was_executed_without_errors_and_is_small(file):
    assert file.stat().st_size < 300_000
    book = nbformat.read(file, as_version=4)
    nbformat.validate(book)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert any(cell.outputs for cell in cells)


@pytest.mark.full
@pytest.mark.timeout(1500)  # trials wait for those of other tests
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_it_runs_anew(file, monkeypatch, tmp_path):
    """In its own folder, as one opens it; an error in any cell fails."""
    monkeypatch.setenv("ALGOPERF_SHARE", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    text = file.read_text().replace("build/your_optimizer", tmp_path.as_posix())
    book = nbformat.reads(text, as_version=4)
    nbclient.NotebookClient(book, timeout=1200, resources={"metadata": {"path": str(file.parent)}}).execute()
    shown = "".join(str(cell.get("outputs")) for cell in book.cells)
    assert "target_reached" in shown
    assert "sign_descent" in shown
