"""Rent Manager's answers: the error model, the framework's own errors, the empty ones."""

from __future__ import annotations

from frontdesk.sandbox.simulator import Json, Reply, Request

GENERIC_CODE = -2146233088
KEY_NOT_FOUND_CODE = -2146232969

FORCED_RESET = "AuthenticationForcePasswordResetException"


class Refusal(Exception):  # noqa: N818 (a value of the wire, not an error of ours)
    """A request that Rent Manager refuses, with the answer that says so."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error_model(
    request: Request,
    status: int,
    developer: str,
    *,
    user: str = "Unspecified Error",
    exception: str = "Exception",
    code: int = GENERIC_CODE,
) -> Reply:
    """The error model. `ErrorCode` is a number of the runtime, the same for most errors."""
    body: Json = {
        "DeveloperMessage": developer,
        "UserMessage": user,
        "ErrorCode": code,
        "Exception": exception,
        "MoreInfoUri": f"{request.base_url}/Help/Resource/{request.path.strip('/').split('/')[0]}",
    }
    return Reply.json(status, body)


def unauthenticated(request: Request, developer: str) -> Reply:
    """401: no token, or not a good one."""
    return error_model(
        request,
        401,
        developer,
        user="Authentication Failed.",
        exception="ApiAuthenticationException",
    )


def unprivileged(request: Request, status: int) -> Reply:
    """The same lack of a privilege, as 403 or as 500."""
    return error_model(
        request,
        status,
        "Insufficient privileges to save history.",
        user="Required privilege: Add and edit history.",
        exception="UserPrivilegeException",
    )


def invalid(field: str, problem: str) -> Reply:
    """400 in the framework's own shape."""
    return Reply.json(400, {"Message": "The request is invalid.", "ModelState": {field: [problem]}})


def unknown_route(request: Request) -> Reply:
    """404 in the framework's own shape."""
    uri = f"{request.base_url}{request.path}"
    return Reply.json(
        404, {"Message": f"No HTTP resource was found that matches the request URI '{uri}'."}
    )


def missing() -> Reply:
    """404 without a body: no such record."""
    return Reply(404)


def nothing(*headers: tuple[str, str]) -> Reply:
    """204: no rows."""
    return Reply(204, b"", headers)
