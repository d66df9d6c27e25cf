"""Settings of the documentation site (Sphinx): `make docs` writes it to build/docs.

Pages lie all over the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "common"), str(ROOT / "scoring")]

project = "AlgoPerf Cubes"
author = "the AlgoPerf Cubes authors"
copyright = author
html_title = project
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
toc_object_entries_show_parents = "hide"

# The source folder is the repository's root, so that links between documents are the same on the site as in a clone.
root_doc = "docs/index"
include_patterns = [
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "docs/notebooks/*.ipynb", "cubes/*/README.md",
    "submissions/README.md", "submissions/models/*/README.md", "tests/cheats/README.md", "tests/goldens/logs/README.md",
]  # fmt: skip
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
myst_heading_anchors = 4  # GitHub's anchors
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"  # a test executes notebooks; the site shows what they printed
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
default_role = "py:obj"  # single backticks in docstrings name code
autodoc_member_order = "bysource"
autodoc_typehints = "description"
suppress_warnings = [
    "myst.xref_missing",  # links to folders and code, which the site has no page for; a test checks all links
]
