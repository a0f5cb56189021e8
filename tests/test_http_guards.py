"""Who may call, from where, and how often."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import InvalidSettingError
from aitk_core.frontends.http.auth import TokenGuard
from aitk_core.frontends.http.errors import (
    AuthInvalidError,
    AuthRequiredError,
    HostNotAllowedError,
    OriginNotAllowedError,
    RateLimitedError,
)
from aitk_core.frontends.http.limits import ClientAddress, RateLimiter
from aitk_core.frontends.http.serve import check_listen
from aitk_core.frontends.http.sources import Sources
from aitk_core.settings import HttpSettings


def scope(
    *headers: tuple[str, str | bytes], peer: str = "203.0.113.9", server: str = "127.0.0.1"
) -> dict[str, Any]:
    raw = [(k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in headers]
    return {"headers": raw, "client": (peer, 5000), "server": (server, 8080)}


def guard(failures: RateLimiter | None = None, token: str | None = "s3cret") -> TokenGuard:
    return TokenGuard(HttpSettings(auth_token=token), failures)


@pytest.mark.parametrize(
    "header",
    [
        ("authorization", "Bearer s3cret"),
        ("authorization", "bearer s3cret"),
        ("authorization", "BEARER  s3cret "),
        ("x-api-key", "s3cret"),
    ],
)
def test_pitfall_63_the_token_passes_in_either_header_and_any_case_of_the_scheme(
    header: tuple[str, str],
) -> None:
    guard().check(scope(header))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Basic s3cret")],
        [("authorization", "s3cret")],
        [("x-api-key", " ")],
    ],
)
def test_no_token_is_told_apart_from_a_wrong_one(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(AuthRequiredError) as caught:
        guard().check(scope(*headers))
    assert ("WWW-Authenticate", "Bearer") in caught.value.headers


@pytest.mark.parametrize("given", ["s3cre", "s3crets", "S3CRET", b"\xff\xfe", "s3cr\xe9t", "\x00"])
def test_pitfall_61_a_wrong_token_of_any_bytes_is_refused(given: str | bytes) -> None:
    for header in ("authorization", "x-api-key"):
        raw = given if isinstance(given, bytes) else given.encode()
        value = b"Bearer " + raw if header == "authorization" else raw
        with pytest.raises(AuthInvalidError):
            guard().check(scope((header, value)))


def test_bearer_wins_over_the_key() -> None:
    with pytest.raises(AuthInvalidError):
        guard().check(scope(("x-api-key", "s3cret"), ("authorization", "Bearer nope")))


def test_another_scheme_leaves_room_for_the_key() -> None:
    guard().check(scope(("authorization", "Basic eDp5"), ("x-api-key", "s3cret")))


def test_a_token_beyond_ascii_is_compared_as_utf_8() -> None:
    guard(token="schlüssel").check(scope(("x-api-key", "schlüssel")))


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_all_pass(token: str | None) -> None:
    assert not guard(token=token).enabled
    guard(token=token).check(scope())


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def limiter(clock: Clock | None = None, **settings: Any) -> RateLimiter:
    record = HttpSettings(rate_limit_enabled=True, **settings)
    return RateLimiter(record, clients=ClientAddress(record), clock=clock or Clock())


def test_a_window_takes_so_many_requests_and_then_starts_anew() -> None:
    clock = Clock()
    limit = limiter(clock, rate_limit_max_requests=2, rate_limit_window_seconds=30.0)
    limit.charge(scope())
    clock.now_s += 10
    limit.charge(scope())
    with pytest.raises(RateLimitedError) as caught:
        limit.charge(scope())
    assert caught.value.details == {
        "retry_after_seconds": 20,
        "window_seconds": 30,
        "max_requests": 2,
    }
    clock.now_s += 20
    limit.charge(scope())


def test_clients_are_counted_apart() -> None:
    limit = limiter(rate_limit_max_requests=1)
    limit.charge(scope(peer="10.0.0.1"))
    limit.charge(scope(peer="10.0.0.2"))
    with pytest.raises(RateLimitedError):
        limit.charge(scope(peer="::ffff:10.0.0.1"))


def test_one_ipv6_network_is_one_client() -> None:
    limit = limiter(rate_limit_max_requests=1)
    limit.charge(scope(peer="2001:db8::1"))
    limit.charge(scope(peer="2001:db8:0:1::1"))
    with pytest.raises(RateLimitedError):
        limit.charge(scope(peer="2001:db8::ffff:2"))


def test_a_peer_without_an_address_is_one_client() -> None:
    limit = limiter(rate_limit_max_requests=1)
    limit.charge({"headers": [], "client": None})
    with pytest.raises(RateLimitedError):
        limit.charge({"headers": []})


def test_pitfall_65_failed_authentication_is_limited_and_closes_the_door_for_the_window() -> None:
    clock = Clock()
    checked = guard(limiter(clock, rate_limit_max_requests=2))
    for _ in range(2):
        with pytest.raises(AuthInvalidError):
            checked.check(scope(("x-api-key", "guess")))
    checked.check(scope(("x-api-key", "s3cret")))
    with pytest.raises(RateLimitedError):
        checked.check(scope())
    # From here on an answer would tell whether a guess was right.
    with pytest.raises(RateLimitedError):
        checked.check(scope(("x-api-key", "s3cret")))
    checked.check(scope(("x-api-key", "s3cret"), peer="203.0.113.10"))
    clock.now_s += 60
    checked.check(scope(("x-api-key", "s3cret")))


PROXY: dict[str, Any] = {
    "trust_proxy_for_rate_limit": True,
    "trusted_proxy_cidrs": ("10.0.0.0/8", "fd00::/8"),
    "rate_limit_max_requests": 1,
}


def client_of(forwarded: str | None, peer: str, **settings: Any) -> str:
    record = HttpSettings(**{**PROXY, **settings})
    headers = [] if forwarded is None else [("x-forwarded-for", forwarded)]
    return ClientAddress(record).of(scope(*headers, peer=peer))


@pytest.mark.parametrize(
    ("forwarded", "peer", "client"),
    [
        ("198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.1.1.1", "10.0.0.1", "198.51.100.7"),
        ("198.51.100.7:4711", "10.0.0.1", "198.51.100.7"),
        ("[2001:db8::1]:4711", "fd00::1", "2001:db8::/64"),
        ("10.2.2.2, 10.1.1.1", "10.0.0.1", "10.2.2.2"),
        ("6.6.6.6, junk", "10.0.0.1", "10.0.0.1"),
        ("", "10.0.0.1", "10.0.0.1"),
        (None, "10.0.0.1", "10.0.0.1"),
        ("6.6.6.6", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_pitfall_64_the_right_most_untrusted_hop_of_a_trusted_peer_counts(
    forwarded: str | None, peer: str, client: str
) -> None:
    assert client_of(forwarded, peer) == client


def test_the_header_is_not_read_where_no_proxy_is_trusted() -> None:
    assert client_of("6.6.6.6", "10.0.0.1", trust_proxy_for_rate_limit=False) == "10.0.0.1"


def test_the_header_can_be_another_one() -> None:
    record = HttpSettings(**PROXY, rate_limit_client_ip_header="X-Real-IP")
    asked = scope(("x-real-ip", "198.51.100.7"), ("x-forwarded-for", "6.6.6.6"), peer="10.0.0.1")
    assert ClientAddress(record).of(asked) == "198.51.100.7"


@pytest.mark.parametrize(
    "settings",
    [
        {"trust_proxy_for_rate_limit": True},
        {"trust_proxy_for_rate_limit": True, "require_trusted_proxy_cidrs": True},
        {"trusted_proxy_cidrs": ("10.0.0.0/33",)},
        {"trusted_proxy_cidrs": ("proxy.example",)},
    ],
)
def test_pitfall_64_trust_without_networks_and_bad_networks_stop_the_start(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(InvalidSettingError):
        ClientAddress(HttpSettings(**settings))


def test_pitfall_122_changing_the_forwarded_value_gains_nothing_and_memory_stays_bounded() -> None:
    limit = limiter(**PROXY)
    refused = 0
    for number in range(10_001):
        forged = f"{number % 250}.{number // 250}.3.4, 198.51.100.7"
        try:
            limit.charge(scope(("x-forwarded-for", forged), peer="10.0.0.1"))
        except RateLimitedError:
            refused += 1
    assert (refused, len(limit)) == (10_000, 1)
    for number in range(10_001):
        limit.charge(scope(peer=f"198.{number // 250}.{number % 250}.1"))
    assert len(limit) == 4096


HOSTS = HttpSettings(
    host="192.0.2.5",
    auth_token="s3cret",
    allowed_hosts=("train.example", "other.example:9000"),
    allowed_origins=("https://app.example", "http://dev.example:*"),
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:1",
        "127.0.0.2",
        "[::1]:8080",
        "192.0.2.5:8080",
        "train.example",
        "train.example:8080",
        "other.example:9000",
        "198.51.100.20:8080",
    ],
)
def test_names_of_this_server_are_accepted(host: str) -> None:
    Sources(HOSTS).check(scope(("host", host), server="198.51.100.20"))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "other.example",
        "other.example:9001",
        "198.51.100.21",
        "",
        "[::1",
        "a" * 5000,
    ],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    with pytest.raises(HostNotAllowedError):
        Sources(HOSTS).check(scope(("host", host), server="198.51.100.20"))


def test_a_request_without_a_host_is_refused() -> None:
    with pytest.raises(HostNotAllowedError):
        Sources(HOSTS).check(scope())


def test_a_name_the_server_reports_for_itself_is_no_address() -> None:
    with pytest.raises(HostNotAllowedError):
        Sources(HOSTS).check(scope(("host", "evil.example"), server="evil.example"))


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://127.0.0.1",
        "http://[::1]:5173",
        "https://app.example",
        "HTTPS://APP.EXAMPLE",
        "http://dev.example:5173",
        "http://train.example:8080",
    ],
)
def test_origins_of_this_machine_listed_ones_and_our_own_are_accepted(origin: str) -> None:
    Sources(HOSTS).check(scope(("host", "train.example:8080"), ("origin", origin)))


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://app.example",
        "https://app.example:444",
        "http://localhost@evil.example",
        "http://localhost.evil.example",
        "file://",
        "http://[",
        "chrome-extension://localhost",
    ],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    with pytest.raises(OriginNotAllowedError):
        Sources(HOSTS).check(scope(("host", "train.example:8080"), ("origin", origin)))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_any_bytes_are_judged_and_nothing_else_is_raised(host: bytes, origin: bytes) -> None:
    with suppress(HostNotAllowedError, OriginNotAllowedError):
        Sources(HOSTS).check(scope(("host", host), ("origin", origin)))


@given(st.binary(max_size=40))
def test_any_forwarded_bytes_give_a_client(value: bytes) -> None:
    assert ClientAddress(HttpSettings(**PROXY)).of(
        scope(("x-forwarded-for", value), peer="10.0.0.1")
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.5", "train.example"])  # noqa: S104 - to be refused
def test_pitfall_62_beyond_loopback_only_with_a_token(host: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        check_listen(HttpSettings(host=host))
    assert "MCP_HTTP_AUTH_TOKEN" in caught.value.remedy
    check_listen(HttpSettings(host=host, auth_token="s3cret"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    check_listen(HttpSettings(host=host))
