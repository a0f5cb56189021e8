"""Watches in the store: one owner at a time, nothing done in the name of a former one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_core.services.store import Store
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.watch.records import LEASE_S, Decision, Watch
from aitk_guardrails.watch.store import LostLeaseError, WatchStore

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = Decision(at=0.0, action="begin")


def watch(id_: str = "w-1", **values: Any) -> Watch:
    usual: dict[str, Any] = {
        "id": id_,
        "job_id": f"job-{id_}",
        "job_name": "cats",
        "config_name": None,
        "guardrails": Guardrails(),
        "memory": Memory(),
        "state": "active",
        "created_at": 0.0,
        "next_at": 0.0,
    }
    return Watch(**usual | values)


def alert(id_: str) -> dict[str, Any]:
    return {"alert_id": id_, "code": "X", "severity": "info", "state": "open", "raised_at": 0.0}


@pytest.fixture
def store(tmp_path: Path) -> WatchStore:
    return WatchStore(Store(tmp_path))


def test_a_watch_is_taken_by_one_server_until_its_lease_is_over(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    assert store.claim("b", LEASE_S - 0.1) == []
    assert store.renew("a", {mine.id: mine.fence}, LEASE_S - 0.1) == {mine.id}
    assert store.claim("b", 2 * LEASE_S - 0.2) == []
    (taken,) = store.claim("b", 2 * LEASE_S)
    assert taken.fence == mine.fence + 1
    assert store.renew("a", {mine.id: mine.fence}, 2 * LEASE_S) == set()


def test_a_watch_that_was_let_go_of_is_taken_at_once(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    store.claim("a", 0.0)
    store.release("a")
    assert [each.owner for each in store.claim("b", 0.1)] == ["b"]


def test_a_former_owner_can_neither_keep_nor_decide_nor_tell(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    store.claim("b", LEASE_S + 1)
    mine.memory.looks = 99
    with pytest.raises(LostLeaseError):
        store.save(mine, next_at=1.0, alerts=[alert("x")], now=1.0)
    with pytest.raises(LostLeaseError):
        store.note(mine, Decision(at=LEASE_S + 1, action="ask"))
    kept = store.get(mine.id)
    assert kept is not None
    assert kept.memory.looks == 0
    assert store.untold(100.0) == []


def test_an_owner_whose_lease_is_over_may_not_act_though_nobody_has_taken_it(
    store: WatchStore,
) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    with pytest.raises(LostLeaseError):
        store.note(mine, Decision(at=LEASE_S + 0.1, action="ask"))


def test_memory_decisions_and_alerts_are_kept_together_or_not_at_all(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    mine.memory.looks = 3
    decision = Decision(at=1.0, action="trigger", code="X", detail={"n": 1})
    with pytest.raises(TypeError):
        store.save(
            mine,
            next_at=1.0,
            decisions=[decision],
            alerts=[{**alert("x"), "odd": object()}],
            now=1.0,
        )
    assert [each.action for each in store.decisions(mine.id, 10)] == ["begin"]
    store.save(mine, next_at=1.0, decisions=[decision], alerts=[alert("x")], now=1.0)
    assert [each.action for each in store.decisions(mine.id, 10)] == ["begin", "trigger"]
    assert [each.alert_id for each in store.untold(1.0)] == ["x"]


def test_an_alert_that_is_said_again_is_the_same_alert(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    for _ in range(3):
        store.save(mine, next_at=1.0, alerts=[alert("x")], now=1.0)
    assert len(store.untold(1.0)) == 1
    store.told(["x"], 2.0)
    store.save(mine, next_at=1.0, alerts=[alert("x")], now=3.0)
    assert store.untold(10.0) == []


def test_an_alert_that_nobody_took_is_offered_again_later(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    store.save(mine, next_at=1.0, alerts=[alert("x")], now=1.0)
    store.not_told(["x"], "no sink", 50.0)
    assert store.untold(49.0) == []
    assert [each.attempts for each in store.untold(50.0)] == [1]
    assert store.alerts(mine.id)[0]["not_taken_because"] == "no sink"


def test_a_job_has_one_watch_that_goes_on(store: WatchStore) -> None:
    assert store.add(watch("w-1", job_id="j"), BEGIN) is None
    other = store.add(watch("w-2", job_id="j"), BEGIN)
    assert other is not None
    assert other.id == "w-1"
    store.end("w-1", "ended_by_request", 1.0)
    assert store.add(watch("w-3", job_id="j"), BEGIN) is None
    assert store.listed(ended=False, limit=10, offset=0)[1] == 1
    assert store.listed(ended=True, limit=10, offset=0)[1] == 2


def test_a_watch_that_was_ended_by_request_is_its_owners_no_more(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    (mine,) = store.claim("a", 0.0)
    store.end(mine.id, "ended_by_request", 1.0)
    assert store.renew("a", {mine.id: mine.fence}, 1.0) == set()
    with pytest.raises(LostLeaseError):
        store.save(mine, next_at=1.0, now=1.0)
    assert store.claim("b", 1000.0) == []


def test_what_ended_long_ago_is_forgotten(store: WatchStore) -> None:
    store.add(watch(), BEGIN)
    store.end("w-1", "job_completed", 1.0)
    store.prune(29 * 86400.0)
    assert store.get("w-1") is not None
    store.prune(31 * 86400.0)
    assert store.get("w-1") is None


SERVERS = ("a", "b", "c")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("claim", "renew", "act", "release", "wait")), st.sampled_from(SERVERS)
    ),
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(steps=STEPS)
def test_at_no_time_do_two_servers_own_a_watch(tmp_path: Path, steps: Any) -> None:
    """Any order of claims, renewals, pauses and releases: who acts has the newest fence."""
    import secrets

    store = WatchStore(Store(tmp_path / secrets.token_hex(4)))
    store.add(watch(), BEGIN)
    held: dict[str, Watch] = {}
    now, acted = 0.0, []
    for what, server in steps:
        if what == "wait":
            now += LEASE_S * 0.6
        elif what == "claim":
            for taken in store.claim(server, now):
                held[server] = taken
        elif what == "release":
            store.release(server)
        elif server in held and what == "renew":
            store.renew(server, {held[server].id: held[server].fence}, now)
        elif server in held:
            try:
                store.note(held[server], Decision(at=now, action="ask", detail={"by": server}))
            except LostLeaseError:
                continue
            acted.append(held[server].fence)
            current = store.get("w-1")
            assert current is not None
            assert (current.owner, current.fence) == (server, held[server].fence)
    assert acted == sorted(acted)  # never an older owner after a newer one


def test_servers_that_are_there_are_counted_by_frontend(store: WatchStore) -> None:
    store.beat("a", "stdio", 0.0)
    store.beat("b", "http", 0.0)
    store.beat("b", "http", 10.0)
    assert store.servers(1.0) == {"stdio": 1, "http": 1}
    assert store.servers(15.0) == {"http": 1}
    store.release("b")
    assert store.servers(15.0) == {}


def test_a_watch_is_kept_with_all_it_was_asked_to_do(store: WatchStore) -> None:
    asked = Guardrails(rules={"nan": "warn"}, max_cost=3.0, cost_per_hour=1.0)
    store.add(evolve(watch(), guardrails=asked), BEGIN)
    kept = store.get("w-1")
    assert kept is not None
    assert kept.guardrails == asked
