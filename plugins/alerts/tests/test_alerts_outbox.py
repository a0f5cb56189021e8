"""The outbox: taken in once, sent at least once, in order, whatever dies in between."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_alerts.alerts import Alert, parse_alerts
from aitk_alerts.outbox.box import Outbox
from aitk_alerts.outbox.records import Limits, Retry, Target
from aitk_alerts.outbox.tables import MIGRATIONS
from aitk_core.services.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aitk_alerts.outbox.records import Message

LOG = Target(name="log", kind="file")
TEAM = Target(name="team", kind="webhook")
OFF = Limits(dedupe_window_s=0, max_per_window=0)
RANDOM = random.Random(1)  # noqa: S311 - jitter, not a secret


def alert(id_: str, code: str = "A", *, job: str = "j", **values: Any) -> Alert:
    usual: dict[str, Any] = {
        "alert_id": id_,
        "severity": "critical",
        "category": "guardrails",
        "code": code,
        "message": f"{code} happened",
        "job_id": job,
        "raised_at": 0.0,
    }
    return Alert(**usual | values)


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    return Outbox(Store(tmp_path))


def sent(box: Outbox, now: float, owner: str = "a") -> list[Message]:
    """Claim and deliver all that is due."""
    found = []
    while claimed := box.claim(owner, now, lease_s=50):
        for message in claimed:
            assert box.delivered(message, now)
        found += claimed
    return found


def ids(messages: list[Message]) -> list[list[str]]:
    return [[each["alert_id"] for each in message.alerts] for message in messages]


def test_pitfall_84_the_same_alert_accepted_often_at_once_is_sent_once(tmp_path: Path) -> None:
    box = Outbox(Store(tmp_path))
    same = [alert(f"{n}") for n in range(8)]
    others = [alert(f"d{n}", f"D{n}") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: box.accept([one], [LOG], Limits(), 1.0), [*same, *others]))
    told = [each for message in ids(sent(box, 2.0)) for each in message]
    assert len([each for each in told if not each.startswith("d")]) == 1
    assert sorted(each for each in told if each.startswith("d")) == [f"d{n}" for n in range(8)]


def test_pitfall_85_the_same_alert_of_another_run_is_no_duplicate(box: Outbox) -> None:
    first = box.accept([alert("1", job="a")], [LOG], Limits(), 0.0)
    other = box.accept([alert("2", job="b")], [LOG], Limits(), 1.0)
    again = box.accept([alert("3", job="a")], [LOG], Limits(), 2.0)
    assert [list(each.outcomes["log"]) for each in (first, other, again)] == [
        ["accepted"],
        ["accepted"],
        ["duplicate"],
    ]


def test_the_same_of_another_watch_of_the_run_is_no_duplicate(box: Outbox) -> None:
    box.accept([alert("1", scope="w-1")], [LOG], Limits(), 0.0)
    again = box.accept([alert("2", scope="w-2"), alert("3", scope="w-2")], [LOG], Limits(), 1.0)
    assert list(again.outcomes["log"]) == ["accepted", "duplicate"]


def test_pitfall_87_what_is_no_alert_is_named_and_not_dropped_in_silence() -> None:
    items: list[Any] = [
        {"severity": "fatal", "message": "m"},
        {"message": "m"},
        "text",
        {"severity": "warning", "message": ""},
        {"severity": " Critical ", "message": "m", "code": "X"},
    ]
    alerts, faults = parse_alerts(items, now=1.0)
    assert [each.index for each in faults] == [0, 1, 2, 3]
    assert [(each.severity, each.code) for each in alerts] == [("critical", "X")]


def test_an_alert_that_is_said_again_is_known(box: Outbox) -> None:
    said = [box.accept([alert("same")], [LOG], OFF, 0.0).outcomes["log"] for _ in range(3)]
    assert [list(each) for each in said] == [["accepted"], ["already_known"], ["already_known"]]
    assert ids(sent(box, 1.0)) == [["same"]]


def test_repeats_within_the_window_are_counted_in_the_next_message(box: Outbox) -> None:
    box.accept([alert("1")], [LOG], Limits(), 0.0)
    sent(box, 0.0)
    for n in range(5):
        box.accept([alert(f"r{n}")], [LOG], Limits(), 10.0 + n)
    assert sent(box, 20.0) == []
    box.accept([alert("2")], [LOG], Limits(), 901.0)
    (message,) = sent(box, 901.0)
    assert message.alerts[0]["count"] == 6


def test_something_that_is_over_is_told_to_whoever_was_told_of_it(box: Outbox) -> None:
    over = alert("x", state="resolved")
    assert list(box.accept([over], [LOG], Limits(), 0.0).outcomes["log"]) == ["unknown_resolved"]
    box.accept([alert("1")], [LOG], Limits(), 1.0)
    box.accept([alert("2", state="resolved")], [LOG], Limits(), 2.0)
    box.accept([alert("3")], [LOG], Limits(), 3.0)
    told = [each for message in sent(box, 4.0) for each in message.alerts]
    assert [(each["alert_id"], each["state"]) for each in told] == [
        ("1", "open"),
        ("2", "resolved"),
        ("3", "open"),
    ]


def test_what_comes_and_goes_too_often_falls_silent_and_is_counted(box: Outbox) -> None:
    for n in range(20):
        state: Any = "open" if n % 2 == 0 else "resolved"
        box.accept([alert(f"{n}", state=state)], [LOG], Limits(flap_limit=3), float(n))
    told = [each for message in sent(box, 20.0) for each in message.alerts]
    assert len(told) == 3
    box.accept([alert("later")], [LOG], Limits(flap_limit=3), 5000.0)
    (message,) = sent(box, 5000.0)
    assert message.alerts[0]["count"] > 10


def test_what_exceeds_the_rate_is_held_and_summed_up_when_the_window_is_over(
    box: Outbox,
) -> None:
    limits = Limits(max_per_window=3, rate_window_s=60)
    many = [alert(f"{n}", f"C{n}") for n in range(10)]
    accepted = box.accept(many, [LOG], limits, 0.0)
    assert accepted.count("accepted") == 3
    assert accepted.count("held_by_rate") == 7
    sent(box, 1.0)
    assert [box.held_back(59.0), box.held_back(60.0), box.held_back(60.0)] == [0, 1, 0]
    (summary,) = sent(box, 61.0)
    assert summary.alerts[0]["code"] == "ALERTS_HELD_BACK"
    assert summary.alerts[0]["count"] == 7


def test_alerts_of_one_run_that_wait_together_go_together_and_in_order(box: Outbox) -> None:
    box.accept([alert("1", "A"), alert("2", "B", job="k")], [LOG], OFF, 0.0)
    box.accept([alert("3", "C")], [LOG], OFF, 1.0)
    assert ids(sent(box, 2.0)) == [["1", "3"], ["2"]]


def test_no_message_overtakes_one_of_its_run_and_destination(box: Outbox) -> None:
    box.accept([alert("1")], [LOG, TEAM], OFF, 0.0)
    (first, other) = box.claim("a", 0.0, lease_s=50)
    assert (first.destination, other.destination) == ("log", "team")
    assert box.delivered(other, 1.0)
    box.accept([alert("2")], [LOG], OFF, 1.0)
    assert box.claim("b", 1.0, lease_s=50) == []
    box.failed(first, "down", 2.0, random=RANDOM, not_before=100.0)
    assert box.claim("b", 50.0, lease_s=50) == []
    assert ids(sent(box, 150.0)) == [["1"], ["2"]]


def test_a_message_whose_sender_died_is_sent_again_under_the_same_id(box: Outbox) -> None:
    box.accept([alert("1")], [LOG], OFF, 0.0)
    (lost,) = box.claim("dead", 0.0, lease_s=50)
    assert box.claim("b", 49.0, lease_s=50) == []
    (again,) = box.claim("b", 51.0, lease_s=50)
    assert again.message_id == lost.message_id
    assert not box.delivered(lost, 52.0)  # who was given up for dead decides nothing any more
    assert not box.failed(lost, "late", 52.0, random=RANDOM)
    assert box.delivered(again, 53.0)


def test_tries_come_later_never_at_once_and_heed_what_the_other_side_says(box: Outbox) -> None:
    box.accept([alert("1")], [LOG], OFF, 0.0)
    now, waits = 0.0, []
    for _ in range(8):
        (message,) = box.claim("a", now, lease_s=50)
        box.failed(message, "down", now, random=RANDOM, retry=Retry(first_s=2, longest_s=60))
        due = box.next_due(now)
        assert due is not None
        waits.append(due - now)
        now = due
    assert all(0.5 <= each <= 60 for each in waits)
    (message,) = box.claim("a", now, lease_s=50)
    box.failed(message, "429", now, random=RANDOM, not_before=now + 5000)
    assert box.next_due(now) == now + 5000


def test_a_message_is_given_up_after_its_tries_kept_and_may_be_revived(box: Outbox) -> None:
    box.accept([alert("1")], [LOG], OFF, 0.0)
    now = 0.0
    for _ in range(3):
        (message,) = box.claim("a", now, lease_s=50)
        box.failed(message, "no", now, random=RANDOM, retry=Retry(attempts=3))
        now += 10_000
    assert box.counts()["dead"] == 1
    (dead,), count = box.listed(states=["dead"], limit=10, offset=0)
    assert (count, dead.error, dead.attempts) == (1, "no", 3)
    assert box.revive([dead.message_id], now) == 1
    assert ids(sent(box, now)) == [["1"]]


def test_what_only_a_call_can_send_is_not_taken_by_others_while_it_tries(box: Outbox) -> None:
    mine = Target(name="webhook:x", kind="webhook", reserved_for="call:1")
    box.accept([alert("1")], [mine], OFF, 0.0)
    assert box.claim("service", 1.0, lease_s=50) == []
    (message,) = box.claim("call:1", 1.0, lease_s=50)
    box.failed(message, "no", 1.0, random=RANDOM, reserved_for="call:1", not_before=2.0)
    assert box.claim("service", 3.0, lease_s=50) == []
    assert len(box.claim("call:1", 3.0, lease_s=50)) == 1


def test_quiet_hours_hold_a_message_until_they_are_over(box: Outbox) -> None:
    later = Target(name="log", kind="file", not_before=500.0)
    box.accept([alert("1")], [later], OFF, 0.0)
    assert sent(box, 499.0) == []
    assert ids(sent(box, 500.0)) == [["1"]]


class KilledError(BaseException):
    """The process dies here."""


class FragileStore:
    """A store that dies at the nth thing that it is asked."""

    def __init__(self, store: Store, at: int) -> None:
        self._store = store
        self._left = at

    def tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise KilledError

    @contextmanager
    def session(self, namespace: str, migrations: Any) -> Iterator[Any]:
        self.tick()
        with self._store.session(namespace, migrations) as database:
            yield FragileDatabase(database, self)
            self.tick()  # before the commit
        self.tick()  # after it


class FragileDatabase:
    def __init__(self, database: Any, store: FragileStore) -> None:
        self._database = database
        self._store = store

    def execute(self, *arguments: Any) -> Any:
        self._store.tick()
        return self._database.execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        self._store.tick()
        return self._database.executemany(*arguments)


def send_one(box: Outbox, now: float, collect: Callable[[Message], None], owner: str) -> None:
    for message in box.claim(owner, now, lease_s=50):
        collect(message)
        box.delivered(message, now)


def test_killed_at_every_point_nothing_is_lost_and_a_second_copy_has_the_same_id(
    tmp_path: Path,
) -> None:
    """Every statement, and both sides of every commit, of accept, claim, send and mark."""
    both = [alert("1"), alert("2", "B")]
    points = 0
    for at in range(1, 200):
        real = Store(tmp_path / str(at))
        got: list[tuple[str, str]] = []

        def collect(message: Message, got: list[tuple[str, str]] = got) -> None:
            got.extend((each["alert_id"], message.message_id) for each in message.alerts)

        acknowledged = False
        try:
            dying = Outbox(FragileStore(real, at))
            dying.accept(both, [LOG], Limits(), 0.0)
            acknowledged = True
            send_one(dying, 1.0, collect, "dying")
        except KilledError:
            points += 1
        else:
            break
        box = Outbox(real)
        if not acknowledged:  # whoever raised them says them again, under the same ids
            box.accept(both, [LOG], Limits(), 2.0)
        for now in (3.0, 100.0):
            send_one(box, now, collect, "next")
        for wanted in ("1", "2"):
            copies = [message for id_, message in got if id_ == wanted]
            assert 1 <= len(copies) <= 2, (at, got)
            assert len(set(copies)) == 1
        with real.session("alerts", MIGRATIONS) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert points > 20


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("raise"), st.sampled_from("ABC"), st.sampled_from(("open", "resolved"))),
        st.tuples(st.sampled_from(("deliver", "fail", "crash", "wait")), st.just(""), st.just("")),
    ),
    max_size=40,
)


class History:
    """What was raised, accepted, sent and lost so far."""

    def __init__(self, folder: Path) -> None:
        self.box = Outbox(Store(folder))
        self.now = 0.0
        self.raised = 0
        self.lost = 0
        self.accepted: list[str] = []
        self.got: list[tuple[str, str]] = []

    def step(self, what: str, code: str, state: Any) -> None:
        self.now += 400.0 if what == "wait" else 1.0
        if what == "raise":
            self.raised += 1
            one = alert(f"{self.raised}", code, state=state)
            outcomes = self.box.accept([one], [LOG], Limits(), self.now).outcomes["log"]
            self.accepted += [one.alert_id] if "accepted" in outcomes else []
        elif what != "wait":
            for message in self.box.claim("a", self.now, lease_s=50):
                self.send(message, what)

    def send(self, message: Message, what: str) -> None:
        if what == "fail":
            assert self.box.failed(message, "no", self.now, random=RANDOM)
            return
        self.got += [(each["alert_id"], message.message_id) for each in message.alerts]
        if what == "deliver":
            assert self.box.delivered(message, self.now)
        else:
            self.lost += len(message.alerts)  # sent, and dead before the mark

    def end(self) -> None:
        for _ in range(60):
            self.now += 4000.0
            for message in self.box.claim("b", self.now, lease_s=50):
                self.send(message, "deliver")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(steps=STEPS)
def test_any_history_tells_each_accepted_alert_and_none_twice_without_a_crash(
    tmp_path: Path, steps: list[tuple[str, str, str]]
) -> None:
    history = History(tmp_path / secrets.token_hex(6))
    for what, code, state in steps:
        history.step(what, code, state)
    history.end()
    told = [id_ for id_, _ in history.got]
    assert set(told) == set(history.accepted)
    assert len(told) - len(set(told)) <= history.lost
    if not history.lost:
        assert told == history.accepted  # in order, each once
    assert len(set(history.got)) == len(set(told))  # a second copy has the same message id
