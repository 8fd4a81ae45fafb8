"""What `serve --sandbox` sets up: an account without limit, a token, an integration per vendor.

Everything but account and token goes over HTTP, as any caller would do it, so that the set-up is
itself a check. What is there from an earlier start is used again. It names no vendor: the sandbox
says which it has.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.progress import Progress

from frontdesk.accounts.service import AccountService
from frontdesk.cli.calls import ask
from frontdesk.cli.failure import CommandFailed
from frontdesk.cli.private_files import TOKEN_FILE, write_whole

SYNC_PATIENCE = 300.0
_NAME = "sandbox"
_LOOK_SECONDS = 0.1
_READS = "/v1/admin/logs/jobs/"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a caller of a sandboxed Frontdesk needs to know."""

    token: str = field(repr=False)
    integrations: Mapping[str, str]


async def token_of(accounts: AccountService, data_dir: Path) -> str:
    """The token in the data directory's file if it still counts, else a new one, stored there.

    The file is 0600 and appears whole or not at all.
    """
    path = data_dir / TOKEN_FILE
    kept = path.read_text().strip() if path.exists() else ""
    if kept and await accounts.authenticate(kept) is not None:
        return kept
    known = [account for account in await accounts.accounts() if account.name == _NAME]
    account = known[0] if known else await accounts.create_account(_NAME, None)
    made = await accounts.create_token(account.id, _NAME)
    write_whole(path, made.secret + "\n")
    return made.secret


async def set_up(url: str, sandbox_url: str, token: str, progress: Progress) -> Surroundings:
    """One active integration per vendor of the sandbox, each with its catalog read.

    Raises CommandFailed where the API or the sandbox refuses.
    """
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        vendors = (await ask(session, "GET", f"{sandbox_url}/_sandbox"))["vendors"]
        known = await _integrations(session, url)
        integrations: dict[str, str] = {}
        for vendor, offered in vendors.items():
            integrations[vendor] = await _integration(session, url, vendor, offered, known)
        await _synced(session, url, integrations, progress)
    return Surroundings(token, integrations)


async def make_hostile(sandbox_url: str, seed: int | None) -> None:
    """Let every simulator misbehave by the schedule of this seed; None: let none. Raises
    CommandFailed where the sandbox refuses."""
    async with aiohttp.ClientSession() as session:
        await ask(session, "POST", f"{sandbox_url}/_sandbox/hostility", {"seed": seed})


async def _integrations(session: aiohttp.ClientSession, url: str) -> dict[str, dict[str, Any]]:
    """The integrations that an earlier start made, by vendor."""
    return {
        record["vendor"]: record
        for record in await _listed(session, url)
        if record["name"] == _name_of(record["vendor"])
    }


async def _listed(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    answer = await ask(session, "GET", f"{url}/v1/admin/integrations/?limit=250&is_archived=false")
    listed: list[dict[str, Any]] = answer["results"]
    return listed


async def _integration(
    session: aiohttp.ClientSession,
    url: str,
    vendor: str,
    offered: Mapping[str, Any],
    known: Mapping[str, Mapping[str, Any]],
) -> str:
    settings = {
        "base_url": offered["base_url"],
        "active": True,
        "allow_email_send": False,
        "credentials": offered["credentials"],
    }
    if vendor not in known:
        made = await ask(
            session,
            "POST",
            f"{url}/v1/admin/integrations/",
            {"integration_vendor": vendor, "name": _name_of(vendor), **settings},
        )
        return str(made["result"]["id"])
    record = known[vendor]
    # A sandbox that got another port is the same world at another address.
    if record.get("base_url") != offered["base_url"]:
        del settings["active"]
        await ask(session, "PUT", f"{url}/v1/admin/integrations/{record['id']}", settings)
    return str(record["id"])


async def _synced(
    session: aiohttp.ClientSession, url: str, integrations: Mapping[str, str], progress: Progress
) -> None:
    """Wait until every catalog was read once; the bars count the models that are done."""
    waited_for = {
        integration_id: progress.add_task(f"Reading the catalog of {vendor}", total=None)
        for vendor, integration_id in integrations.items()
    }
    try:
        async with asyncio.timeout(SYNC_PATIENCE):
            while True:
                # One list for all of them: asked one by one, they would slow down what they wait for.
                for record in await _listed(session, url):
                    if record["id"] not in waited_for:
                        continue
                    if record["last_completed_sync"] is not None:
                        del waited_for[record["id"]]
                    elif record["can_authenticate"] is False:
                        raise CommandFailed(
                            f"{record['vendor']} refuses the sandbox's credentials."
                        )
                if not waited_for:
                    return
                if not progress.disable:
                    for integration_id, task in waited_for.items():
                        done, total = await _steps(session, url, integration_id)
                        progress.update(task, completed=done, total=total or None)
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise CommandFailed(
            f"The first sync of integration {next(iter(waited_for))} did not end within "
            f"{SYNC_PATIENCE:.0f} s; the log says what it waits for."
        ) from None


async def _steps(session: aiohttp.ClientSession, url: str, integration_id: str) -> tuple[int, int]:
    jobs = await ask(session, "GET", f"{url}{_READS}?integration_id={integration_id}&limit=100")
    steps = [job for job in _logs(jobs) if str(job["job_type"]).startswith("sync_")]
    return sum(job["status"] == "SUCCESS" for job in steps), len(steps)


def _logs(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = answer["results"]
    found: list[dict[str, Any]] = results["logs"] if isinstance(results, dict) else results
    return found


def _name_of(vendor: str) -> str:
    return f"{vendor} {_NAME}"
