"""`account` and `token`: who may call. A token is shown once, when it is made."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from frontdesk.accounts.service import DEFAULT_REQUESTS_PER_MINUTE, SCOPES, Account, Token
from frontdesk.cli.environment import DataDirOption, read_settings, services_of
from frontdesk.cli.failure import FAILED, SURROUNDINGS, CommandFailed
from frontdesk.cli.output import JsonOption, asides, print_json, print_record, print_table
from frontdesk.http.paging import parse_moment
from frontdesk.ids import parse_id

if TYPE_CHECKING:
    from frontdesk.application import Services

account_commands = typer.Typer(help="Accounts: whose events these are.", no_args_is_help=True)
token_commands = typer.Typer(help="Tokens: what a caller proves himself by.", no_args_is_help=True)

AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="The account's id.", show_default="the only one, if there is"),
]


@account_commands.command("create")
def create_account(
    limit: Annotated[
        int,
        typer.Option(min=0, help="Requests a minute; 0: no limit."),
    ] = DEFAULT_REQUESTS_PER_MINUTE,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an account."""

    async def create() -> Account:
        async with services_of(read_settings(data_dir)) as services:
            return await services.accounts.create_account(name, limit or None)

    _show(_account(asyncio.run(create())), as_json)


@account_commands.command("list")
def list_accounts(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the accounts."""

    async def every() -> list[Account]:
        async with services_of(read_settings(data_dir)) as services:
            return await services.accounts.accounts()

    shown = [_account(account) for account in asyncio.run(every())]
    if as_json:
        print_json(shown)
    else:
        print_table(
            ("id", "name", "requests a minute", "created"), (list(r.values()) for r in shown)
        )


@token_commands.command("create")
def create_token(
    account: AccountOption = None,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help=f"May be repeated, or several with commas: {', '.join(SCOPES)}.",
            show_default="all",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            help="When it expires: `90d`, `12h`, `30m` from now, a date (UTC), or a date-time with "
            "offset.",
            show_default="never",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and show it: this once, and never again."""
    expires_at = None if expires is None else _moment(expires)
    scopes = [word for text in scope or () for word in re.split(r"[\s,]+", text) if word]

    async def create() -> dict[str, Any]:
        async with services_of(read_settings(data_dir)) as services:
            owner = await _chosen(services, account)
            try:
                made = await services.accounts.create_token(
                    owner, name, scopes=scopes or SCOPES, expires_at=expires_at
                )
            except (ValueError, LookupError) as error:
                raise CommandFailed(str(error), code=SURROUNDINGS) from error
            return {"token": made.secret, **_token(made.token)}

    made = asyncio.run(create())
    if as_json:
        print_json(made)
        return
    typer.echo(made["token"])
    asides().print(f"Keep it: it is not shown again. (account {made['account_id']})")


@token_commands.command("list")
def list_tokens(
    account: AccountOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """List tokens by their prefix, which names a token without giving it away."""

    async def every() -> list[Token]:
        async with services_of(read_settings(data_dir)) as services:
            return await services.accounts.tokens(_id(account) if account else None)

    shown = [_token(token) for token in asyncio.run(every())]
    if as_json:
        print_json(shown)
        return
    columns = (
        "prefix",
        "name",
        "account_id",
        "scopes",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    rows = ([", ".join(r[c]) if c == "scopes" else r[c] for c in columns] for r in shown)
    print_table([column.replace("_", " ") for column in columns], rows)


@token_commands.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="Its prefix or its id.")],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a token; every process refuses it within a second."""

    async def revoke() -> Token | None:
        async with services_of(read_settings(data_dir)) as services:
            return await services.accounts.revoke_token(token)

    revoked = asyncio.run(revoke())
    if revoked is None:
        # Not repeated: somebody may have pasted the whole token.
        raise CommandFailed("There is no such token; see: frontdesk token list", code=FAILED)
    _show(_token(revoked), as_json)


async def _chosen(services: "Services", account: str | None) -> UUID:
    if account is not None:
        return _id(account)
    known = await services.accounts.accounts()
    if len(known) == 1:
        return known[0].id
    raise CommandFailed(
        "There is no account yet: frontdesk account create"
        if not known
        else "There are several accounts; say which with --account (frontdesk account list).",
        code=SURROUNDINGS,
    )


def _moment(text: str) -> datetime:
    now = datetime.now(UTC)
    if span := re.fullmatch(r"([1-9][0-9]{0,5})([dhm])", text):
        unit = {"d": "days", "h": "hours", "m": "minutes"}[span[2]]
        return now + timedelta(**{unit: int(span[1])})
    moment = parse_moment(f"{text}T00:00:00Z" if re.fullmatch(r"[0-9-]{10}", text) else text)
    if moment is None or moment <= now:
        raise CommandFailed(
            f"{text!r} is no time to come: give 90d, 12h or 30m, a date, or a date-time with offset.",
            code=SURROUNDINGS,
        )
    return moment


def _id(text: str) -> UUID:
    known = parse_id(text)
    if known is None:
        raise CommandFailed(f"{text!r} is no account's id.", code=SURROUNDINGS)
    return known


def _account(account: Account) -> dict[str, Any]:
    return {
        "id": str(account.id),
        "name": account.name,
        "requests_per_minute": account.requests_per_minute,
        "created_at": account.created_at.isoformat(),
    }


def _token(token: Token) -> dict[str, Any]:
    def moment(value: datetime | None) -> str | None:
        return None if value is None else value.isoformat()

    return {
        "id": str(token.id),
        "account_id": str(token.account_id),
        "name": token.name,
        "prefix": token.prefix,
        "scopes": list(token.scopes),
        "created_at": moment(token.created_at),
        "expires_at": moment(token.expires_at),
        "last_used_at": moment(token.last_used_at),
        "revoked_at": moment(token.revoked_at),
    }


def _show(record: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        print_record(record)
