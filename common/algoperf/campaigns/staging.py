"""What has to be there before a run's clock may start: its data and image, which complete the manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from algoperf.campaigns import containers, mlcube
from algoperf.campaigns.changes import changed_files
from algoperf.campaigns.folder import STAGING, Campaign
from algoperf.data.contracts import dataset_dir
from algoperf.data.prepare import prepare
from algoperf.data.store.manifest import read_manifest as read_store
from algoperf.data.store.store import store_exists
from algoperf.errors import AlgoperfError, DataError, UserError
from algoperf.records.environment import python_hashes
from algoperf.records.json_file import write_json
from algoperf.submission.identity import combined_hash
from algoperf.workload.definition import WorkloadDefinition
from algoperf.workload.registry import find_workload

Say = Callable[[str], None]


def stage(campaign: Campaign, say: Say) -> None:
    """Make missing data, find all images, and complete the manifest; later, check that nothing has changed.

    Raises DataError or UserError, and leaves the reason in the campaign's folder for those who wait for it.
    """
    try:
        found = {name: _staged(campaign, name, say) for name in campaign.manifest.workloads}
    except AlgoperfError as error:
        write_json(campaign.path / STAGING, {"error": str(error), "exit_code": error.exit_code})
        raise
    (campaign.path / STAGING).unlink(missing_ok=True)
    if not campaign.is_fixed:
        campaign.fix(dataclasses.replace(campaign.manifest, workloads=found))


def definition_of(campaign: Campaign, name: str) -> WorkloadDefinition:
    """The definition of a workload of the campaign (`PlannedRun.place`), at its scale."""
    planned = campaign.manifest.workloads[name]
    place = planned["cube"]
    folder = campaign.root / place
    found = find_workload(str(folder) if (folder / "workload.py").is_file() else place)
    return found.at("mini" if planned["scale"] == "mini" else "full")


def store_of(campaign: Campaign, name: str) -> Path:
    """The folder of a workload's preprocessed data."""
    definition, scale = definition_of(campaign, name), campaign.manifest.workloads[name]["scale"]
    return dataset_dir(campaign.root / campaign.manifest.data["data_dir"], definition.dataset, scale)


def data_hash(store: Path) -> str | None:
    """The hash of a store of data; None if there is none."""
    return str(read_store(store)["hash"]) if store_exists(store) else None


def require_same_data(campaign: Campaign, workload: str) -> None:
    """Raise DataError if a workload's data is not what the manifest says, and UserError if its cube is not."""
    definition, planned = definition_of(campaign, workload), campaign.manifest.workloads[workload]
    if campaign.manifest.launcher == "process":
        files = python_hashes(definition.folder)
        if combined_hash(files) != planned["cube_hash"]:
            raise UserError(
                f"The cube of {workload}, {definition.folder}, is not what was planned:\n"
                f"{changed_files(planned.get('files', files), files, definition.folder)}\n"  # older plans lack them
                "Restore it, or plan a new campaign in another folder for the new code."
            )
    store = store_of(campaign, workload)
    found = data_hash(store)
    if found is None:
        raise DataError(f"There is no data at {store}: stage it again with `algoperf campaign run`.")
    if planned["data_hash"] is not None and found != planned["data_hash"]:
        raise DataError(
            f"The data at {store} are not those that the campaign began with: they were changed, or made again with "
            "another content. Restore them, or plan a new campaign in another folder for these."
        )


def _staged(campaign: Campaign, name: str, say: Say) -> dict[str, Any]:
    """The manifest's entry of a workload, with the hashes of what is there now."""
    manifest, planned = campaign.manifest, campaign.manifest.workloads[name]
    definition = definition_of(campaign, name)
    store = store_of(campaign, name)
    if not store_exists(store):
        say(f"making the data of {name} in {store}")
        prepare(definition.dataset, planned["scale"], campaign.root / manifest.data["raw_dir"], store.parents[1])
    require_same_data(campaign, name)
    digest = planned["image_digest"]
    if manifest.launcher != "process":
        if manifest.launcher == containers.MLCUBE:
            mlcube.program()
        digest = containers.require_same_image(manifest.launcher, planned["image"], digest)
    return {**planned, "data_hash": data_hash(store), "image_digest": digest}
