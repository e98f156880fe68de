# SPDX-License-Identifier: MIT
"""How late cues were given, kept in a few numbers: the worst and the 99th percentile."""

# The upper ends in ms of the classes in which lateness is counted.
ENDS_MS = (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500)


class Lateness:
    """All memory is taken at the start.

    Attributes:
        count: How many.
        worst_ms: The largest.
    """

    def __init__(self) -> None:
        self.count = 0
        self.worst_ms = 0
        self._counts = [0] * len(ENDS_MS)

    def add(self, late_ms: int) -> None:
        """Take one more into account."""
        self.count += 1
        self.worst_ms = max(self.worst_ms, late_ms)
        for index in range(len(ENDS_MS)):
            if late_ms <= ENDS_MS[index]:
                self._counts[index] += 1
                return

    @property
    def p99_ms(self) -> int:
        """At least 99 of 100 were no later than this; rounded up to an end of a class."""
        seen = 0
        for index in range(len(ENDS_MS)):
            seen += self._counts[index]
            if seen * 100 >= self.count * 99:
                return min(ENDS_MS[index], self.worst_ms)
        return self.worst_ms
