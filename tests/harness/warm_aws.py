"""The AWS CLI, or SAM, without its start, most of which is imports: a process that has them forks for each call.

`python warm_aws.py FOLDER aws` makes the program `FOLDER/aws`, whose calls are answered as long as this runs; `sam` is
the other one. What is called is the CLI itself, with the caller's arguments, variables, folder and open files. Only
that SAM compresses its packages less, which takes it as long as all the rest.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Program = Callable[[list[str]], Any]

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


def aws() -> Program:
    """With the imports that all calls need."""
    cli: Any = import_module("awscli.clidriver")
    cli.create_clidriver()
    return lambda arguments: cli.create_clidriver().main(arguments)


def sam() -> Program:
    """With the imports that `sam deploy` needs."""
    cli: Any = import_module("samcli.cli.main")
    for name in ("deploy.command", "deploy.deploy_context", "package.package_context"):
        import_module(f"samcli.commands.{name}")
    compression: Any = import_module("zlib")
    compression.Z_DEFAULT_COMPRESSION = compression.Z_BEST_SPEED
    return lambda arguments: cli.cli(arguments, prog_name="sam")


def answer(caller: socket.socket, program: Program) -> None:
    """One call, in a process of its own."""
    size, files, *_ = socket.recv_fds(caller, 4, 3)
    arguments, variables, folder = json.loads(caller.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    for number, file in enumerate(files):
        os.dup2(file, number)
    # The AWS CLI has put its own folder there when it was imported.
    variables |= {name: value for name, value in os.environ.items() if name == "AWS_DATA_PATH"}
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        status = program(arguments)
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    caller.sendall(str(status or 0).encode())


def main(folder: Path, name: str) -> None:
    """Until it is told to stop."""
    program = {"aws": aws, "sam": sam}[name]()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    address = folder / f"{name}.socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen(16)
        caller = folder / name
        caller.write_text(CALLER.format(python=sys.executable, address=str(address)))
        caller.chmod(0o755)
        while True:
            call, _ = server.accept()
            if os.fork() == 0:
                answer(call, program)
                os._exit(0)
            call.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
