# SPDX-License-Identifier: MIT
"""How the commands of a user talk with the daemon of the same user: a Unix socket.

One connection is one request.  Both sides write lines of JSON, UTF-8, at most `LINE_BYTES_MAX` long
with the newline:

1. the client: `{"tenuto": 1, "ask": "run", ...}`, an operation by name with its arguments; see
   `tenuto.daemon.operations`
2. the daemon, any number of times: `{"item": {...}}`, what happens on the way
3. the client, at any time: `{"say": {...}}`, an answer or a wish
4. the daemon, once: `{"done": {...}}`, or `{"error": {"kind": ..., "reason": ..., "text": ...}}`

`tenuto` is the version; a daemon that does not know it answers with an error of kind `version`.  A
client that goes away ends its request, which ends no session.  The socket's mode is 0600: only the
user and root may talk.
"""

from __future__ import annotations

from .client import Client, Talk, find_daemon
from .protocol import LINE_BYTES_MAX, VERSION
from .server import ControlServer, Conversation, DaemonLock, is_possible

__all__ = [
    "LINE_BYTES_MAX",
    "VERSION",
    "Client",
    "ControlServer",
    "Conversation",
    "DaemonLock",
    "Talk",
    "find_daemon",
    "is_possible",
]
