"""The process that finds out which data sets a submitted model is made for: it builds it for each, and trains none.

`python -m algoperf_check.probe.model_session FOLDER FRAMEWORK` prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

from algoperf.errors import AlgoperfError
from algoperf.frameworks import load_backend
from algoperf.submission.model import SubmittedModel
from algoperf.versions import load_version
from algoperf.workload.definition import Framework
from algoperf.workload.registry import cube_folders, load_cube, model_code


def main() -> None:
    """Build the model for every cube at scale mini."""
    model, framework = SubmittedModel(Path(sys.argv[1])), cast(Framework, sys.argv[2])
    load_backend(framework)
    table = load_version().table
    made_for, reasons = [], {}
    for folder in cube_folders().values():
        definition = load_cube(folder).at("mini").with_model(model)
        if "mini" not in table.get(definition.name, {}):
            continue
        try:
            model_code(definition, framework).build(definition)
        except AlgoperfError as error:
            reasons[definition.name] = str(error).splitlines()[-1]
        else:
            made_for.append(definition.name)
    print(json.dumps({"made_for": made_for, "reasons": reasons}))


if __name__ == "__main__":
    main()
