"""Pages that this machine alone can reach: their host, free ports, and whether there is a screen for a browser."""

from __future__ import annotations

import os
import socket
import sys

from tagging.errors import UserError

HOST = "127.0.0.1"


def check_free(host: str, port: int, perhaps: str) -> None:
    """Raise UserError where a port is taken, `perhaps` by another page; names the next one that is free."""
    if not _is_free(host, port):
        other = next((number for number in range(port + 1, min(port + 100, 65536)) if _is_free(host, number)), None)
        advice = f"; port {other} is free" if other else ""
        raise UserError(f"port {port} is taken, perhaps by {perhaps} that runs already: http://{HOST}:{port}{advice}")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def has_display() -> bool:
    """Tell whether a browser can open a window; without one, Python would start a text browser on this terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
