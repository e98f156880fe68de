# SPDX-License-Identifier: MIT
"""The page: the operations of the daemon, in a browser.

It can do nothing that the command line cannot. HTML is made on the server; the scripts in `static/`
move what moves and send what is pressed.
"""
