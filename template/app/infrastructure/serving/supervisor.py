"""What starts a process may hand it open sockets, and wait for its word that it is ready.

The protocol is systemd's: sd_listen_fds(3) and sd_notify(3). Others speak it as well.
"""

import os
import socket

import structlog

logger = structlog.get_logger()

_FIRST_DESCRIPTOR = 3


def inherited_sockets() -> list[socket.socket]:
    """Those that listen already, if this process was handed any; told once, for they are owned.

    Whoever holds them goes on listening while this process is replaced: nobody is refused.
    """
    process, number = (os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS"))
    if process != str(os.getpid()):
        return []
    last = _FIRST_DESCRIPTOR + int(number or 0)
    sockets = [socket.socket(fileno=descriptor) for descriptor in range(_FIRST_DESCRIPTOR, last)]
    for each in sockets:
        each.set_inheritable(False)
    return sockets


def tell_ready() -> None:
    """Nobody may have asked."""
    if not (address := os.environ.get("NOTIFY_SOCKET")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            # An abstract name begins with a zero byte, for which the variable has this character.
            supervisor.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            supervisor.send(b"READY=1")
    except OSError as exc:
        logger.warning("nobody heard that the service is ready", reason=str(exc))
