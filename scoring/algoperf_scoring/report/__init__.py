"""The report: one HTML file to explore a comparison, without a server or a network."""

from __future__ import annotations

from algoperf_scoring.report.page import render, write_report
from algoperf_scoring.report.payload import payload

__all__ = ["payload", "render", "write_report"]
