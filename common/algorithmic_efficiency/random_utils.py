"""`algoperf.random_utils` under the package name that v0.5 submissions import."""

import sys

import algoperf.random_utils

sys.modules[__name__] = algoperf.random_utils
