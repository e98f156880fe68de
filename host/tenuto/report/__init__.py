# SPDX-License-Identifier: MIT
"""Reports: a session as a score, a week or a month in pictures, as HTML, SVG or PNG."""

from __future__ import annotations

from .page import Report
from .period_page import period_report
from .session_page import session_report

__all__ = ["Report", "period_report", "session_report"]
