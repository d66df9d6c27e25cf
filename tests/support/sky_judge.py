"""What SkyPilot says of task files, without a network: its schema, its optimiser, and a launch that does nothing.

    sky_judge.py TASK.yaml... >ANSWERS

Runs with the Python of SkyPilot's own environment, and a HOME of its own, in which everything is left. SkyPilot would
fetch its catalogue of machines; files that are there are used as they are. Prices are made up. The last line of the
output is JSON: for each task the machine chosen, or the error.
"""

import csv
import json
import sys
from pathlib import Path

import sky
import yaml
from sky import execution, global_user_state
from sky.check import _get_workspace_allowed_clouds
from sky.clouds import CloudCapability
from sky.optimizer import Optimizer

CATALOGUE = Path.home() / ".sky" / "catalogs" / "v8"
GPUS = "{'Gpus': [{'Name': '%s', 'Manufacturer': 'NVIDIA', 'Count': 8.0, 'MemoryInfo': {'SizeInMiB': 16384}}]}"
ZONE = {"aws": ["us-east-1", "us-east-1a"], "gcp": ["us-central1", "us-central1-a"]}
OF_AWS = ("InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,"
          "AvailabilityZone,Arch,LocalDiskType,NVMeSupported,LocalDiskSize,LocalDiskCount,"
          "MaximumEfaInterfaces")  # fmt: skip
OF_GCP = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice"
IMAGES = "Tag,Region,OS,OSVersion,ImageId,CreationDate"


def aws(machine, gpu, count, cpus, memory, price, spot):
    kind = [gpu, count, cpus, memory, GPUS % gpu] if gpu else ["", "", cpus, memory, ""]
    return [machine, *kind, price, spot, *ZONE["aws"], "x86_64", "", False, "", "", 0]


def gcp(machine, gpu, count, cpus, memory, price, spot):
    kind = [gpu, count, GPUS % gpu] if gpu else ["", "", ""]
    return [machine, cpus, memory, *kind, *ZONE["gcp"], price, spot]


FILES = {
    "common/accelerators.csv": ("AcceleratorName,Clouds", [["V100", "['AWS', 'GCP']"], ["A100", "['AWS']"]]),
    "common/metadata.csv": ("Accelerator,MemoryGB,Manufacturer", [["V100", 16, "NVIDIA"], ["A100", 40, "NVIDIA"]]),
    "aws/vms.csv": (OF_AWS, [aws("p3.16xlarge", "V100", 8.0, 64.0, 488.0, 24.48, 7.5),
                             aws("p4.half", "A100", 4.0, 48.0, 576.0, 16.0, 4.9),
                             aws("m6i.2xlarge", "", 0, 8.0, 32.0, 0.384, 0.1)]),
    "aws/images.csv": (f"{IMAGES},BaseImageId", [
        [f"skypilot:{name}", ZONE["aws"][0], "ubuntu", "22.04", "ami-0", 20260101, ""]
        for name in ("gpu-ubuntu-2004", "custom-gpu-ubuntu", "custom-gpu-ubuntu-2204")
    ]),
    "aws/instance_quota_mapping.csv": ("InstanceType,QuotaCode,SpotInstanceCode", [["p3.16xlarge", "L-1", "L-2"]]),
    "gcp/vms.csv": (OF_GCP, [gcp("n1-highmem-8", "", 0, 8.0, 52.0, 0.47, 0.1),
                             gcp("n1-highmem-64", "", 0, 64.0, 416.0, 3.79, 0.8),
                             gcp("n2-standard-8", "", 0, 8.0, 32.0, 0.39, 0.1),
                             gcp("", "V100", 8.0, "", "", 19.84, 5.92)]),
    "gcp/images.csv": (IMAGES, [["skypilot:custom-gpu-ubuntu-2204", "", "ubuntu", "22.04", "projects/x", 20260101]]),
    "gcp/accelerator_quota_mapping.csv": ("Accelerator,OnDemandQuota,SpotQuota", [["V100", "v", "v"]]),
}  # fmt: skip


def write_catalogue():
    for name, (header, rows) in FILES.items():
        file = CATALOGUE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="") as content:
            csv.writer(content).writerows([header.split(","), *rows])


def check(stores):
    """Check stores as far as that goes without an account, which SkyPilot asks for after everything else."""
    for store in stores:
        try:
            store.construct()
        except sky.exceptions.ResourcesUnavailableError as error:
            if "AWS access is disabled" not in str(error):
                raise


def judge(path):
    try:
        stores = sky.Task.from_yaml(path).storage_mounts
        check(stores.values())
        content = yaml.safe_load(Path(path).read_text())
        content.pop("file_mounts")
        task, again = (sky.Task.from_yaml_config(dict(content)) for _ in range(2))
        with sky.Dag() as dag:
            dag.add(task)
        Optimizer.optimize(dag, quiet=True)
        if str(task.best_resources.cloud) == "GCP":  # a dry run on AWS asks AWS
            execution.launch(again, cluster_name="judged", dryrun=True)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    chosen = task.best_resources
    return {
        "name": task.name,
        "cloud": str(chosen.cloud),
        "accelerators": chosen.accelerators,
        "spot": chosen.use_spot,
        "stores": sorted(stores),
        "dollars_per_hour": round(chosen.get_cost(3600), 2),
    }


write_catalogue()
global_user_state.set_allowed_clouds(_get_workspace_allowed_clouds("default"), "default")
global_user_state.set_enabled_clouds(["AWS", "GCP"], CloudCapability.COMPUTE, "default")
print(json.dumps([judge(path) for path in sys.argv[1:]]))
