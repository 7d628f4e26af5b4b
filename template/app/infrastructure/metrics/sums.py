"""`python -m app.infrastructure.metrics.sums`: shows the numbers of other processes, as sums.

Started by their parent, which says on the standard input what to do, and ends it by closing that.
"""

import json
import socket
import sys
from pathlib import Path

from pydantic import SecretStr

from .listener import listening
from .shared import SharedFolder


def main() -> None:
    options = json.loads(sys.stdin.readline())
    folder = SharedFolder(Path(options["folder"]))
    token = None if options["token"] is None else SecretStr(options["token"])

    with listening(socket.socket(fileno=options["descriptor"]), token, folder.expose):
        sys.stdin.read()


if __name__ == "__main__":
    main()
