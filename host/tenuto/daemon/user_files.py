# SPDX-License-Identifier: MIT
"""The files of the user that a host reads while it runs: routines, vocabulary, configuration.

They may lie on a network share that is away, so they are read aside from the event loop, which
goes on meanwhile, and not longer than `TIMEOUT_S`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from tenuto.errors import InputError
from tenuto.event_loops import aside
from tenuto.routines.library import Library, Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenuto.config import Config

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

TIMEOUT_S = 5.0


class UserFiles:
    """What they say at the moment.

    Attributes:
        library: The routines and the vocabulary of the present configuration.
        offer: Which routines there were when somebody looked last; none before that.
    """

    def __init__(self, config: Config) -> None:
        self.library = Library.of(config)
        self.offer = Offer()

    @property
    def labels(self) -> Mapping[str, str]:
        """What people are shown for each routine, by its name; see `offer`."""
        return self.offer.labels

    async def look(self) -> None:
        """Look which routines there are; what was known stays where they cannot be read."""
        try:
            self.offer = await _read(self.library.offer)
        except InputError as error:
            _log.warning("%s", error)

    async def read(self, job: Callable[[], _T]) -> _T:
        """Do a job that reads from the library.

        Raises:
            InputError: From the job, or because the files do not come.
        """

        def work() -> _T:
            if self.labels:  # for those that look at them: a file may be new
                self.offer = self.library.offer()
            return job()

        return await _read(work)

    async def reread(self, configuration: Callable[[], Config]) -> Config:
        """Read the configuration, and change to its library.

        Raises:
            InputError: It or its vocabulary is wrong, or cannot be read; nothing has changed.
        """

        def work() -> tuple[Config, Library, Offer]:
            config = configuration()
            library = Library.of(config)
            library.vocabulary()
            return config, library, library.offer()

        config, self.library, self.offer = await _read(work)
        return config


async def _read(job: Callable[[], _T]) -> _T:
    try:
        return await aside(job, name="tenuto-files", timeout_s=TIMEOUT_S)
    except TimeoutError:
        raise InputError(
            "the files of the configuration or of the routines were not read within "
            f"{TIMEOUT_S:.0f} s; is their folder on a network that is away?"
        ) from None
