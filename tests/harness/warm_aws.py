"""The AWS CLI without its start, most of which is imports: a process that has them forks for each call.

`python warm_aws.py FOLDER` makes the program `FOLDER/aws`, whose calls are answered as long as this runs. What is
called is the CLI itself, with the caller's arguments, variables, folder and open files.
"""

import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

cli: Any = import_module("awscli.clidriver")

CALLER = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(server, [len(call).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(call)
    sys.exit(int(server.recv(16) or b"255"))
"""


def answer(caller: socket.socket) -> None:
    """One call, in a process of its own."""
    size, files, *_ = socket.recv_fds(caller, 4, 3)
    arguments, variables, folder = json.loads(caller.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    for number, file in enumerate(files):
        os.dup2(file, number)
    # The CLI has put its own folder there when it was imported.
    variables["AWS_DATA_PATH"] = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        status = cli.create_clidriver().main(arguments)
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    caller.sendall(str(status or 0).encode())


def main(folder: Path) -> None:
    """Until it is told to stop."""
    # Imports what all calls need.
    cli.create_clidriver()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    address = folder / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen(16)
        program = folder / "aws"
        program.write_text(CALLER.format(python=sys.executable, address=str(address)))
        program.chmod(0o755)
        while True:
            caller, _ = server.accept()
            if os.fork() == 0:
                answer(caller)
                os._exit(0)
            caller.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
