"""Slows guessing: who sends many tokens that are none is not listened to for a while.

Counted by the address that the requests come from, in each process by itself, and apart from every
account's limit: a guess belongs to no account. A token of 256 random bits cannot be guessed anyway;
this keeps those who try from costing a question to the database each time.
"""

import math
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from time import monotonic

_WINDOW_SECONDS = 60.0
_MOST_ADDRESSES = 10_000
# Whoever has an IPv6 network has this much of it to himself.
_NETWORK_BITS_V6 = 64


class Guesses:
    """Failed authentications of the last minute, by address. `per_minute` 0: no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """For how long nothing from there is looked at; 0: it is."""
        if not self._failed:
            return 0
        begun, failed = self._failed.get(_network(address), (0.0, 0))
        if not self._per_minute or failed < self._per_minute:
            return 0
        return max(0, math.ceil(begun + _WINDOW_SECONDS - monotonic()))

    def failed(self, address: str) -> None:
        """A token came from there that is none."""
        if not self._per_minute:
            return
        now = monotonic()
        network = _network(address)
        begun, failed = self._failed.get(network, (now, 0))
        if now - begun >= _WINDOW_SECONDS:
            begun, failed = now, 0
        self._failed[network] = (begun, failed + 1)
        self._failed.move_to_end(network)
        while len(self._failed) > _MOST_ADDRESSES:
            self._failed.popitem(last=False)


# Kept: while somebody guesses, every request asks.
@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Address(int(parsed) >> _NETWORK_BITS_V6 << _NETWORK_BITS_V6))
