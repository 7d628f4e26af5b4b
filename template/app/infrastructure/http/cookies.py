from starlette.types import Scope


def cookie_in(scope: Scope, name: bytes) -> str | None:
    """The value of the one cookie with this very name; of two, neither is believed.

    Starlette's own parser strips what browsers do not take for a blank, such as U+00A0, from
    names, so that a cookie without the prefix `__Host-` can pass for one that has it.
    """
    values = [
        value.strip(b" \t")
        for header, content in scope["headers"]
        if header == b"cookie"
        for given, _, value in (part.partition(b"=") for part in content.split(b";"))
        if given.strip(b" \t") == name
    ]
    return values[0].decode("latin-1") if len(values) == 1 else None
