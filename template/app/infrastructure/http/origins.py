from collections.abc import Collection

from starlette.requests import HTTPConnection


def is_from_us(connection: HTTPConnection, trusted: Collection[str]) -> bool:
    """Whether a page of this service or of a trusted origin sent the request, or no browser did.

    `Origin` names the page, so it decides who is trusted; `Sec-Fetch-Site` cannot tell one foreign
    site from another. That a page is ours is better told by `Sec-Fetch-Site`: behind a proxy that
    rewrites `Host` we do not know our own name. A sibling domain (`same-site`) is not us. Browsers
    too old for it, and those that speak plain HTTP to us, send `Origin` alone, which is compared
    with `Host`. A program that sends neither has no cookies of anybody else.
    """
    origin = connection.headers.get("origin")
    if origin is not None and origin in trusted:
        return True
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        # `none`: typed into the address bar.
        return site in {"same-origin", "none"}
    if origin is None:
        return True
    host = connection.headers.get("host")
    # Not the scheme: behind a proxy that ends TLS ours seems to be http.
    return bool(host) and origin.partition("://")[2] == host
