"""Sockets of a server, bound before it says that it serves."""

from __future__ import annotations

import errno
import os
import socket

from provenance.errors import ParameterError

_WAITING = 2048
"""Connections that may wait to be taken."""


def listening(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address that a host has. Raises `ParameterError` where one cannot be listened at."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ParameterError(f"host {host!r}: {error.strerror}; name an address of this machine with --host") from None
    sockets: list[socket.socket] = []
    for family, address in dict.fromkeys((each[0], each[4]) for each in found):
        try:
            sockets.append(socket.create_server(address, family=family, backlog=_WAITING))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and len(found) > 1:
                continue  # a name that stands for IPv6, too, where there is none
            for each in sockets:
                each.close()
            said = f"{host}:{port}: cannot be listened at: {os.strerror(error.errno or 0)}"
            raise ParameterError(f"{said}; choose another --port or --host") from None
    if not sockets:
        raise ParameterError(f"{host}:{port}: cannot be listened at: no address of this machine; choose another --host")
    return sockets
