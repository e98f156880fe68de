# SPDX-License-Identifier: MIT
"""Reports: a session as a score, a week or a month in pictures, as HTML, SVG or PNG."""

from __future__ import annotations

from .page import Period, Report, period_report, session_report

__all__ = ["Period", "Report", "period_report", "session_report"]
