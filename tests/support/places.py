"""Paths of the files that tests read. Tests use these instead of paths relative to themselves."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SUPPORT = REPOSITORY / "tests" / "support"
GOLDENS = REPOSITORY / "tests" / "goldens"
# Folders beside the repository where the project is developed; users do not have them.
SHARED_GOLDENS = REPOSITORY.parent / "shared" / "goldens"
SHARED_LOGS = REPOSITORY.parent / "shared" / "logs"
SHARED_CASES = REPOSITORY.parent / "shared" / "cases"
SHARED_TOKENIZERS = REPOSITORY.parent / "shared" / "tokenizers"
BASELINES = REPOSITORY / "submissions" / "baselines"
TEST_SUBMISSIONS = SUPPORT / "submissions"
PROBE_CUBES = SUPPORT / "cubes"  # tiny workloads that show what the harness can do
