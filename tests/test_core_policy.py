"""The operator's policy is the upper bound; a caller may narrow it, never widen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import InvalidSettingError, NotPermittedError, ReadOnlyError
from aitk_core.policy import Policy, narrowed_by_headers
from aitk_core.settings import ServerSettings
from aitk_core.testing.plugins import declare, fake_tool, load_fake

if TYPE_CHECKING:
    from aitk_core.registry import Registry


async def nothing(_arguments: Any, _context: Any) -> None:
    raise NotImplementedError


def registry_of() -> Registry:
    return load_fake(
        alpha=declare(
            aitk_tools=[
                fake_tool(nothing, "alpha-read"),
                fake_tool(nothing, "alpha-write", read_only=False),
                fake_tool(nothing, "alpha-delete", read_only=False, destructive=True),
            ]
        ),
        beta=declare(
            aitk_tools=[
                fake_tool(nothing, "beta-read"),
                fake_tool(nothing, "beta-write", read_only=False),
            ]
        ),
    )


REGISTRY = registry_of()
TOOLS = list(REGISTRY.tools)


def offered(policy: Policy) -> set[str]:
    return {name for name, owned in REGISTRY.tools.items() if policy.refusal(owned) is None}


def policy(**settings: Any) -> Policy:
    return Policy.of(ServerSettings(**settings), REGISTRY)


def test_by_default_everything_is_offered() -> None:
    assert offered(policy()) == set(TOOLS)


def test_read_only_leaves_what_changes_nothing() -> None:
    assert offered(policy(read_only=True)) == {"alpha-read", "beta-read"}
    error = policy(read_only=True).refusal(REGISTRY.tools["beta-write"])
    assert isinstance(error, ReadOnlyError)
    assert error.details == {"tool": "beta-write"}


def test_destructive_tools_can_be_switched_off() -> None:
    assert offered(policy(allow_destructive=False)) == set(TOOLS) - {"alpha-delete"}
    error = policy(allow_destructive=False).refusal(REGISTRY.tools["alpha-delete"])
    assert error is not None
    assert error.code == "NOT_PERMITTED"


def test_toolsets_and_single_tools_add_up_and_an_exclusion_wins() -> None:
    assert offered(policy(toolsets=("beta",))) == {"beta-read", "beta-write"}
    assert offered(policy(tools=("alpha-read",))) == {"alpha-read"}
    chosen = {"toolsets": ("beta",), "tools": ("alpha-read", "alpha-write")}
    assert offered(policy(**chosen)) == {"beta-read", "beta-write", "alpha-read", "alpha-write"}
    assert offered(policy(**chosen, exclude_tools=("beta-read", "alpha-read"))) == {
        "beta-write",
        "alpha-write",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"toolsets": ("alfa",)}, "AITK_TOOLSETS names 'alfa', {}; did you mean 'alpha'?"),
        ({"tools": ("beta-raed",)}, "AITK_TOOLS names 'beta-raed', {}; did you mean 'beta-read'?"),
        ({"exclude_tools": ("zzz",)}, "AITK_EXCLUDE_TOOLS names 'zzz', {}; known: alpha-delete, "),
        ({"disable_plugins": ("alfa",)}, "AITK_DISABLE_PLUGINS names 'alfa', {}; did you mean "),
        ({"enable_plugins": ("alfa",)}, "AITK_ENABLE_PLUGINS names 'alfa', {}; did you mean "),
    ],
)  # fmt: skip
def test_a_mistyped_name_is_refused_and_not_ignored(settings: Any, message: str) -> None:
    with pytest.raises(InvalidSettingError) as caught:
        policy(**settings)
    assert str(caught.value).startswith(message.format("which is not installed"))


def test_names_of_a_disabled_or_broken_plugin_are_taken() -> None:
    good = declare(aitk_tools=[fake_tool(nothing, "good")])
    disabled = load_fake(disable=["off"], good=good, off=declare())
    Policy.of(ServerSettings(toolsets=("off",), exclude_tools=("of-it",)), disabled)
    broken = load_fake(good=good, bad=declare(aitk_tools=[5]))
    Policy.of(ServerSettings(toolsets=("bad",), exclude_tools=("of-it",)), broken)


def test_headers_narrow_in_any_case_and_none_changes_nothing() -> None:
    whole = policy()
    assert narrowed_by_headers(whole, {"Accept": "x"}) is whole
    narrowed = narrowed_by_headers(
        whole, {"x-mcp-READONLY": " Yes ", "X-MCP-Toolsets": "alpha, ", "X-MCP-Exclude-Tools": "x"}
    )
    assert offered(narrowed) == {"alpha-read"}


def test_headers_cannot_name_what_the_operator_left_out() -> None:
    bound = policy(read_only=True, toolsets=("alpha",))
    widened = narrowed_by_headers(
        bound, {"X-MCP-Readonly": "false", "X-MCP-Toolsets": "beta", "X-MCP-Tools": "alpha-write"}
    )
    assert offered(widened) == set()


NAMES = st.frozensets(st.sampled_from([*TOOLS, "unknown"]), max_size=4)
SETS = st.frozensets(st.sampled_from(["alpha", "beta", "gamma"]), max_size=3)
POLICIES = st.builds(
    Policy,
    read_only=st.booleans(),
    allow_destructive=st.booleans(),
    toolsets=SETS,
    tools=NAMES,
    exclude=NAMES,
)
NARROWINGS = st.lists(
    st.fixed_dictionaries(
        {"read_only": st.booleans(), "toolsets": SETS, "tools": NAMES, "exclude": NAMES}
    ),
    min_size=1,
    max_size=4,
)


@given(POLICIES, NARROWINGS)
def test_narrowing_never_widens_however_often(bound: Policy, steps: list[dict[str, Any]]) -> None:
    narrowed = bound
    for step in steps:
        before = narrowed
        narrowed = narrowed.narrowed(**step)
        assert offered(narrowed) <= offered(before)
        assert narrowed.read_only >= before.read_only
    assert offered(narrowed) <= offered(bound)


@given(POLICIES, st.dictionaries(
    st.sampled_from(["X-MCP-Readonly", "X-MCP-Toolsets", "x-mcp-tools", "X-MCP-EXCLUDE-TOOLS",
                     "X-MCP-Other"]),
    st.sampled_from(["", "true", "false", "alpha", "beta,gamma", *TOOLS, ",,", "*"]),
))  # fmt: skip
def test_no_header_ever_widens(bound: Policy, headers: dict[str, str]) -> None:
    assert offered(narrowed_by_headers(bound, headers)) <= offered(bound)


@given(POLICIES)
def test_a_refusal_is_always_a_not_permitted_that_says_what_to_do(bound: Policy) -> None:
    for name in TOOLS:
        error = bound.refusal(REGISTRY.tools[name])
        if error is not None:
            assert error.status == NotPermittedError.status
            assert error.remedy
            assert error.details == {"tool": name}
