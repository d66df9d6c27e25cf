"""`algoperf.spec` under the package name that v0.5 submissions import."""

import sys

import algoperf.spec

sys.modules[__name__] = algoperf.spec
