"""What is around a request: who calls, how often they may, and what need not be read again. With a real Redis."""

import base64
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import load
import report
import servers

ANYBODY = "the same answer for anybody"
UNLIMITED = "the same answer without a limit"
CONSTANT = "the same answer, always the same"
HIT = "page of 20, in the cache"
MISS = "page of 20, not in the cache"
UNCACHED = "page of 20, without a cache"


def measure(folder: Path, variables: Mapping[str, str], effort: load.Effort) -> list[report.Row]:
    """The service with everything that the saas preset has."""
    unlimited = {**variables, "RATE_LIMIT_ENABLED": "false"}
    with ExitStack() as stack:

        def serve(app: str, chosen: Mapping[str, str]) -> servers.Server:
            return stack.enter_context(servers.beside(app, folder, chosen))

        reading = serve("identity:app", {**unlimited, "CALLER_CACHE_TTL_SECONDS": "0"})
        remembering = serve("identity:app", {**unlimited, "CALLER_CACHE_TTL_SECONDS": "300"})
        password, token = servers.seed(reading, variables["DATABASE_URL"])
        logins = servers.log_in(reading, token, password)
        callers = load.in_turns(identities(reading, remembering, logins), effort)
        shelf = load.in_turns(pages(serve("cache:app", unlimited), owner_of(token)), effort)
        counting = serve("rate_limit:app", variables)
        # Without Redis the counters are in the process; a deployed service refuses that.
        alone = serve("rate_limit:app", {**variables, "ENVIRONMENT": "test", "LOG_FORMAT": "json", "REDIS_URL": ""})
        limits = load.in_turns(limited(counting, alone), effort)
    return [
        *(report.row(callers, name, ANYBODY) for name in callers[0] if name != ANYBODY),
        *(report.row(limits, name, UNLIMITED) for name in limits[0] if name != UNLIMITED),
        report.row(shelf, HIT, CONSTANT),
        report.row(shelf, HIT, MISS),
        report.row(shelf, UNCACHED, MISS),
        # Getting the page, without the request around it: three times cheaper, or a cache is not worth its trouble.
        report.row(report.beyond(shelf, CONSTANT), f"{HIT}, alone", f"{MISS}, alone", 0.33),
    ]


def identities(reading: servers.Server, remembering: servers.Server, logins: Mapping[str, str]) -> list[load.Target]:
    """One answer, for anybody and for a caller who is known by each kind of credential."""
    path = "/api/v1/account"
    wanted = [load.Target(ANYBODY, reading.port, f"{path}/anybody", reading.pid)]
    for server, how in ((reading, ""), (remembering, ", remembered")):
        wanted += [
            load.Target(f"caller by {name}{how}", server.port, f"{path}/caller", server.pid, (header,))
            for name, header in logins.items()
        ]
    return wanted


def pages(server: servers.Server, owner: str) -> list[load.Target]:
    path = "/api/v1/shelf"
    names = {"constant": CONSTANT, "hit": HIT, "miss": MISS, "query": UNCACHED}
    return [load.Target(name, server.port, f"{path}/{kind}?owner={owner}", server.pid) for kind, name in names.items()]


def limited(counting: servers.Server, alone: servers.Server) -> list[load.Target]:
    path = "/api/v1/measured"
    return [
        load.Target(UNLIMITED, counting.port, f"{path}/unlimited", counting.pid),
        load.Target("one limit, in Redis", counting.port, f"{path}/limited", counting.pid),
        load.Target("two limits, in Redis", counting.port, f"{path}/limited-twice", counting.pid),
        load.Target("one limit, in the process", alone.port, f"{path}/limited", alone.pid),
    ]


def owner_of(token: str) -> str:
    """The account that a token names."""
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
