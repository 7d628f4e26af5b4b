import socket


def bind(address: str, port: int) -> socket.socket:
    """Raises an `OSError` that says what to do."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as exc:
        raise OSError(
            f"Metrics cannot be served on {address}:{port}: {exc.strerror}. Stop what is using the "
            "port, or choose another one with METRICS_PORT or METRICS_WORKER_PORT."
        ) from None
