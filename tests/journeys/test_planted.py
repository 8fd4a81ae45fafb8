"""What looks for planted texts finds them: in every spelling, wherever they stand."""

import pytest

from tests.journeys.planted import Planted, spellings


@pytest.mark.parametrize("secret", ["8 bytes!", "a canary &<\"'/+%= with every awkward character"])
def test_every_spelling_is_found_at_every_place_and_what_is_cut_is_not(secret: str) -> None:
    planted = Planted()
    planted.add("it", secret)
    for form in map(str.encode, spellings(secret)):
        for before in range(17):
            for after in (b"", b"...", b"after it, as much again"):
                assert planted.found_in(b"." * before + form + after) == {"it"}
    assert planted.found_in(secret[:-1].encode() + b"." + secret[1:].encode()) == set()
