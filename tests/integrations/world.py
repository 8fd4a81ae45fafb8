"""Integrations for tests: of whatever vendor the registry finds, at no real address."""

from typing import Any

import aiohttp

from frontdesk.vendors.contract import Vendor
from frontdesk.vendors.registry import vendors

PATH = "/v1/admin/integrations"
SESAME = "open-sesame"
"""What all of a test's credentials hold: it must not be seen anywhere again."""


def a_vendor() -> Vendor:
    """The first vendor with a connector."""
    return next(vendor for vendor in vendors().values() if vendor.connector is not None)


def credentials_of(vendor: Vendor) -> dict[str, str]:
    """Credentials with every key that the vendor declares; an address is the vendor's own."""
    return {
        key.name: vendor.declaration.base_url if key.is_url else f"{SESAME}-{key.name}"
        for key in vendor.declaration.credentials
    }


def body_of(vendor: Vendor | None = None, **changes: Any) -> dict[str, Any]:
    """A body that creates an integration."""
    vendor = vendor or a_vendor()
    return {
        "integration_vendor": vendor.declaration.vendor,
        "name": "Maple Court",
        "credentials": credentials_of(vendor),
        **changes,
    }


async def created(client: aiohttp.ClientSession, **changes: Any) -> dict[str, Any]:
    """A new integration, as its creation answers it."""
    async with client.post(f"{PATH}/", json=body_of(**changes)) as answer:
        assert answer.status == 200, await answer.text()
        result: dict[str, Any] = (await answer.json())["result"]
    return result


async def read(client: aiohttp.ClientSession, integration_id: str) -> dict[str, Any]:
    """An integration as `GET` answers it."""
    async with client.get(f"{PATH}/{integration_id}") as answer:
        assert answer.status == 200, await answer.text()
        results: dict[str, Any] = (await answer.json())["results"]
    return results


async def refused(answer: aiohttp.ClientResponse, status: int, code: str) -> dict[str, str]:
    """The problems of a refusal: path → code."""
    assert answer.status == status, await answer.text()
    error = (await answer.json())["error"]
    assert error["code"] == code, error
    return {
        ".".join(str(part) for part in issue["path"]): issue["code"]
        for issue in error["details"].get("issues", ())
    }
