"""How the simulators misbehave while the run is on: the sandbox's own hostility, by the run's seed.

Nothing here is worse than a vendor's published figures; that is the sandbox's to keep. When the run
ends it is switched off, and what was already late still comes.
"""

from collections import Counter

from torture.world import SetUp


class Weather:
    """The hostility of one run."""

    def __init__(self, set_up: SetUp, sandbox_url: str, seed: int, intensity: float) -> None:
        self._set_up = set_up
        self._url = f"{sandbox_url}/_sandbox/hostility"
        self._seed = seed
        self._intensity = intensity
        self.played: Counter[str] = Counter()
        """What was done to how many requests, known once it has cleared."""

    async def begin(self) -> None:
        """From now on every simulator misbehaves."""
        body = {"seed": self._seed, "intensity": self._intensity}
        await self._set_up.call("POST", self._url, body)

    async def clear(self) -> None:
        """Nothing misbehaves any more."""
        told = await self._set_up.call("GET", self._url)
        for played in told["played"].values():
            self.played.update(played)
        await self._set_up.call("POST", self._url, {"seed": None})
