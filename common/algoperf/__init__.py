"""The harness that every AlgoPerf cube shares: data, timed training loop, evaluation, records.

For notebooks and scripts: `write_submission`, `train`, `compare`, `check`, `score` and `runs` (`algoperf.api`). They
are imported on use, so that `import algoperf` stays light.
"""

from typing import TYPE_CHECKING, Any

from algoperf._version import __version__ as __version__

if TYPE_CHECKING:
    from algoperf.api import Comparison, Run, Scores, check, compare, runs, score, train, write_submission

__all__ = ["Comparison", "Run", "Scores", "check", "compare", "runs", "score", "train", "write_submission"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from algoperf import api

        return getattr(api, name)
    raise AttributeError(f"module 'algoperf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
