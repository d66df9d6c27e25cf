"""Makes the data of a dataset: raw files and store, as the tasks `download` and `preprocess` do one by one."""

from __future__ import annotations

from pathlib import Path

from algoperf.data.contracts import Dataset, dataset_dir
from algoperf.data.store.store import store_exists
from algoperf.waiting import waiting


def prepare(dataset: Dataset, scale: str, raw_dir: Path, data_dir: Path) -> None:
    """Download and preprocess a dataset, or generate it at scale mini, unless its store is there.

    Raises DataError if that fails. What was downloaded stays, and the next call goes on.
    """
    raw, data = dataset_dir(raw_dir, dataset, scale), dataset_dir(data_dir, dataset, scale)
    if store_exists(data):
        return
    with waiting(f"{'making' if scale == 'mini' else 'downloading'} raw data of {dataset.name} ({scale})") as say:
        (dataset.miniature if scale == "mini" else dataset.download)(raw)
        say(f"preprocessing data of {dataset.name} ({scale})")
        dataset.preprocess(raw, data)
