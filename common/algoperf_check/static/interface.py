"""Rules 13.1 and 18.1 as far as the code tells: missing functions. Such a submission is not worth running."""

from __future__ import annotations

from collections.abc import Iterator

from algoperf.errors import UserError
from algoperf.submission.functions import require_functions
from algoperf_check.findings import Finding
from algoperf_check.request import CheckRequest
from algoperf_check.rules import RULES


def check(request: CheckRequest) -> Iterator[Finding]:
    """At most one finding, with all that is missing in a file."""
    model = request.model
    try:
        if model is None:
            require_functions(request.file)
        elif request.framework is not None:
            model.require_functions(request.framework)
            if model.own_algorithm is not None:
                require_functions(model.own_algorithm)
    except UserError as error:
        yield Finding(RULES["13.1" if model is None else "18.1"], str(error))
