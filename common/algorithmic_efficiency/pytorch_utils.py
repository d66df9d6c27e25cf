"""`algoperf.pytorch_utils` under the package name that v0.5 submissions import."""

import sys

import algoperf.pytorch_utils

sys.modules[__name__] = algoperf.pytorch_utils
