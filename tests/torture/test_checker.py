"""The checker of the torture run finds what it is there to find, and nothing where nothing is."""

from torture.arrivals import Arrival, Limit, limits_of, overruns
from torture.clients import Accepted
from torture.judge import Verdict, effects_of, judge, unknown_to_clients
from torture.processes import without
from torture.repository import Written
from torture.sampling import Sample
from torture.takeovers import both, either, takeover, worker_ids
from torture.world import Figures

READABLE = Figures("READABLE", readable=True, keyed=False, late_effect=30, visible_after=2)
BLIND = Figures("BLIND", readable=False, keyed=False, late_effect=0, visible_after=0)


def marker(number: int) -> str:
    return f"torture-00-00-{number:05d}."


def accepted(number: int, vendor: str = "READABLE") -> Accepted:
    return Accepted(
        marker=marker(number),
        key=marker(number),
        job_id=f"job {number}",
        vendor=vendor,
        integration_id="i",
        resident_id="r",
        place=number,
        tries=1,
        replayed=False,
        at=0.0,
    )


def written(number: int, state: str = "succeeded") -> Written:
    return Written(f"job {number}", state, marker(number), 1)


def effect(number: int, **changes: str) -> dict[str, str]:
    return {
        "origin": "api",
        "operation": "create",
        "text": f"{marker(number)} called",
        "x_id": f"x{number}",
        "written_at": "2026-01-01T00:00:00Z",
        **changes,
    }


def verdict(events: list[Accepted], writes: list[Written], listed: list[dict[str, str]]) -> Verdict:
    return judge(events, writes, effects_of(listed), [READABLE, BLIND])[events[0].vendor]


def test_an_event_that_arrived_once_is_delivered_and_nothing_else() -> None:
    assert verdict([accepted(1)], [written(1)], [effect(1)]) == Verdict(
        "READABLE", accepted=1, delivered=1
    )


def test_an_event_said_to_have_succeeded_that_the_pms_lacks_is_lost() -> None:
    assert verdict([accepted(1)], [written(1)], []).lost == [marker(1)]


def test_an_accepted_event_that_the_database_lacks_is_lost() -> None:
    assert verdict([accepted(1)], [], []).lost == [marker(1)]


def test_what_only_staff_wrote_does_not_count_as_delivered() -> None:
    found = verdict([accepted(1)], [written(1)], [effect(1, origin="staff")])

    assert found.lost == [marker(1)]


def test_staff_who_write_the_same_are_no_duplicate() -> None:
    twins = [effect(1), effect(1, origin="staff")]

    assert verdict([accepted(1)], [written(1)], twins).duplicated == []


def test_an_update_of_a_record_is_no_duplicate() -> None:
    changed = [effect(1), effect(1, operation="update")]

    assert verdict([accepted(1)], [written(1)], changed).duplicated == []


def test_two_records_of_one_event_are_a_duplicate_even_where_it_ended_uncertain() -> None:
    for state in ("succeeded", "uncertain", "failed"):
        found = verdict([accepted(1)], [written(1, state)], [effect(1), effect(1)])
        assert found.duplicated == [marker(1)], state


def test_a_duplicate_told_uncertain_is_excused_where_the_pms_cannot_be_asked() -> None:
    events = [accepted(1, "BLIND")]

    told = verdict(events, [written(1, "uncertain")], [effect(1), effect(1)])
    untold = verdict(events, [written(1)], [effect(1), effect(1)])

    assert (told.excused, told.duplicated) == ([marker(1)], [])
    assert (untold.excused, untold.duplicated) == ([], [marker(1)])


def test_an_uncertain_event_is_neither_lost_nor_left_over() -> None:
    found = verdict([accepted(1)], [written(1, "uncertain")], [])

    assert found == Verdict("READABLE", accepted=1, uncertain=[marker(1)])


def test_an_event_that_has_not_ended_is_left_over() -> None:
    assert verdict([accepted(1)], [written(1, "reconciling")], [effect(1)]).left_over == [marker(1)]


def test_an_event_that_was_refused_is_counted_as_such() -> None:
    assert verdict([accepted(1)], [written(1, "failed")], []).refused == [marker(1)]


def test_events_that_overtook_one_another_are_out_of_order() -> None:
    events = [accepted(1), accepted(2), accepted(3)]
    writes = [written(1), written(2), written(3)]

    found = verdict(events, writes, [effect(2), effect(1), effect(3)])

    assert found.disordered == [marker(2)]


def test_an_uncertain_event_may_arrive_after_later_ones() -> None:
    events = [accepted(1), accepted(2)]

    found = verdict(events, [written(1, "uncertain"), written(2)], [effect(2), effect(1)])

    assert found.disordered == []


def test_a_second_write_of_one_event_is_noticed() -> None:
    assert unknown_to_clients([accepted(1)], [written(1), written(2)]) == [marker(2)]


def arrivals(*moments: float) -> list[Arrival]:
    return [Arrival("V", "b", moment, at_work=1) for moment in moments]


def test_calls_across_the_edge_of_two_windows_are_an_overrun() -> None:
    (found,) = overruns(arrivals(0.0, 0.9, 1.0, 1.1), {"V": [Limit(2, 1.0)]})

    assert (found.worst, found.calls_above) == (3, 1)


def test_a_call_exactly_one_window_later_is_no_overrun() -> None:
    assert overruns(arrivals(0.0, 0.5, 1.0, 1.5), {"V": [Limit(2, 1.0)]}) == []


def test_budgets_are_counted_apart() -> None:
    calls = [Arrival("V", "one", 0.0, 1), Arrival("V", "other", 0.0, 1)]

    assert overruns(calls, {"V": [Limit(1, 1.0)]}) == []


def test_more_calls_at_work_than_allowed_are_an_overrun() -> None:
    calls = [Arrival("V", "b", 0.0, 1), Arrival("V", "b", 1.0, 3)]
    limits = limits_of({"V": {"windows": [], "concurrency": 2}})

    (found,) = overruns(calls, limits)

    assert found.worst == 3


def samples(*held: tuple[float, str, bool]) -> list[Sample]:
    return [Sample(at, {"i": (worker_id, alive)}) for at, worker_id, alive in held]


def test_a_takeover_lasts_until_a_living_worker_holds_the_lease() -> None:
    seen = samples((0, "a", True), (9, "a", False), (10, "b", False), (11, "b", True))

    found = takeover("w", 5.0, {"a"}, seen, [(0, 100)], 100)

    assert found is not None
    assert (found.seconds, found.claimed, found.held) == (6.0, True, 1)


def test_time_without_a_database_does_not_count_for_a_takeover() -> None:
    seen = samples((0, "a", True), (31, "b", True))

    found = takeover("w", 5.0, {"a"}, seen, [(0, 7), (27, 100)], 100)

    assert found is not None
    assert found.seconds == 6.0


def test_a_lease_that_nobody_takes_counts_to_the_end() -> None:
    found = takeover("w", 5.0, {"a"}, samples((0, "a", True), (9, "a", False)), [(0, 50)], 50)

    assert found is not None
    assert (found.seconds, found.claimed) == (45.0, False)


def test_a_worker_that_held_nothing_needs_no_takeover() -> None:
    assert takeover("w", 5.0, {"z"}, samples((0, "a", True)), [(0, 50)], 50) is None


def test_intervals_are_cut_joined_and_met() -> None:
    assert without([(0, 10)], [(2, 3), (9, 20)]) == [(0, 2), (3, 9)]
    assert either([(5, 6), (0, 2), (1, 3)]) == [(0, 3), (5, 6)]
    assert both([(0, 4), (6, 9)], [(3, 7)]) == [(3, 4), (6, 7)]


def test_a_worker_is_known_by_the_ids_in_its_log() -> None:
    first, second = "01a2230c-3ea4-76b4-9a30-f86395ebc659", "01a2230c-3ea4-76b4-9a30-000000000000"
    log = (
        f'{{"worker_id": "{first}", "event": "worker_registered"}}\n'
        f'{{"event": "worker_registered", "worker_id": "{second}"}}\n'
        '{"worker_id": "01a2230c-3ea4-76b4-9a30-111111111111", "event": "leases_lost"}\n'
    )

    assert worker_ids(log) == {first, second}
