# SPDX-License-Identifier: MIT
"""How long before its time a buzz is sent, by what the device's own answers show.  Pure.

A message needs some time to a device, and the answer some time back.  Only the sum can be measured
here, and the way there is taken for half of it.  It differs with the radio, its interval and what
else is on the air, so the median of the newest counts.
"""

from __future__ import annotations

import json
import statistics
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAD_MS_MAX = 255
"""Of a motor; see `tenuto_core.buzzer.Motor`."""
COUNT, COUNT_MIN = 31, 8
"""So many answers are kept, and so few say nothing."""
ANSWER_MS_MAX = 1_000.0


class Latency:
    """The running estimate for one device.

    Args:
        lead_ms: What holds where nothing is measured.
        is_fixed: Whether that holds in any case, because it is configured.
        answers_ms: What was measured before, the oldest first.
    """

    def __init__(
        self, lead_ms: int, *, is_fixed: bool = False, answers_ms: Iterable[float] = ()
    ) -> None:
        self._lead_ms = lead_ms
        self._is_fixed = is_fixed
        self._answers_ms = deque(answers_ms, COUNT)

    @property
    def lead_ms(self) -> int:
        """How long before its time a buzz is to be sent, in whole ms."""
        if self._is_fixed or len(self._answers_ms) < COUNT_MIN:
            return self._lead_ms
        return min(round(statistics.median(self._answers_ms) / 2), LEAD_MS_MAX)

    def add(self, answer_ms: float) -> None:
        """Take note of how long an answer took."""
        if 0 <= answer_ms <= ANSWER_MS_MAX:
            self._answers_ms.append(answer_ms)

    def pack(self) -> bytes:
        """Return what `unpack` reads."""
        return json.dumps([round(one, 1) for one in self._answers_ms]).encode()

    @staticmethod
    def unpack(data: bytes) -> list[float]:
        """Return the answers that were kept; none where they cannot be read."""
        try:
            answers_ms = [float(one) for one in json.loads(data)]
        except (ValueError, TypeError, OverflowError, RecursionError):
            return []
        return [one for one in answers_ms if 0 <= one <= ANSWER_MS_MAX][-COUNT:]
