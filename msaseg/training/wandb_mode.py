"""Whether W&B takes a run online: asked before it starts, in seconds, so that no run waits for a server or is lost."""

import base64
import os
import ssl
import threading
import urllib.request
from http.client import HTTPException
from typing import NamedTuple
from urllib.error import HTTPError

PATIENCE = 5
"""Seconds for an answer of the server, and for the start of a run in it."""

LATER = "`make wandb-sync` sends it later"


class Mode(NamedTuple):
    """How a run is shown in W&B.

    Args:
        name: "online", "offline", or what else WANDB_MODE says.
        fault: why it is offline although there is an account; None if it is as it should be.
    """

    name: str
    fault: str | None = None


def choose_mode() -> Mode:
    """Return what WANDB_MODE says; without it online if there is an account and the server takes it, else offline."""
    asked = os.environ.get("WANDB_MODE")
    if asked and asked != "online":
        return Mode(asked)
    os.environ.setdefault("WANDB_HTTP_TIMEOUT", str(PATIENCE))
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its telemetry holds a process for 5 s at the end
    import wandb

    try:
        settings = wandb.setup().settings
        loud, settings.silent = settings.silent, True  # else a login asks the server whose it is, and waits
        try:
            account = wandb.login(prompt=False, verify=False)
        finally:
            settings.silent = loud
        if not account:
            return Mode("offline", "there is no account: run `wandb login`" if asked else None)
        fault = server_fault(settings.base_url, settings.api_key)
    except Exception as error:  # whatever W&B raises, a key that cannot be one included
        fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return Mode("offline", fault) if fault else Mode("online")


def server_fault(base_url: str, key: str | None) -> str | None:
    """Return why a W&B server takes no runs now, or None; after `PATIENCE` seconds at the latest.

    Args:
        base_url: of the server.
        key: of the account; None if it has another kind of credentials.
    """
    found: list[str | None] = []
    asking = threading.Thread(target=lambda: found.append(_answer(base_url, key)), daemon=True)
    asking.start()
    asking.join(PATIENCE)  # the time that urllib takes knows no limit: it resolves names
    return found[0] if found else f"no answer from {base_url} in {PATIENCE} s"


def _answer(base_url: str, key: str | None) -> str | None:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Basic {base64.b64encode(f'api:{key}'.encode()).decode()}"
    body = b'{"query": "query { viewer { id } }"}'
    request = urllib.request.Request(f"{base_url.rstrip('/')}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=2 * PATIENCE):
            return None
    except HTTPError as error:
        error.close()
        refused = key is not None and error.code in (401, 403)
        return f"{base_url} answers {error.code} {error.reason}" if refused or error.code >= 500 else None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return None  # W&B has settings of its own for this
        return f"{base_url}: {' '.join(str(reason).split())}"


def for_the_jobs() -> dict[str, str]:
    """Return the environment that tells the runs of a sweep to stay offline, if W&B takes none: asked and said once."""
    mode = choose_mode()
    if mode.fault is None:
        return {}
    print(f"W&B is left for later ({mode.fault}): these runs are logged offline; {LATER}", flush=True)
    return {"WANDB_MODE": mode.name}
