"""A planned profile, saved with the arguments that it brings, is the config that it shows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend

if TYPE_CHECKING:
    from pathlib import Path

OWN = ("sample", "logging")
"""Prompts and the logger's names: what each tool fills in by its own rule."""


@pytest.mark.parametrize("vram", [10, 24, 80])
@pytest.mark.parametrize(
    "model",
    [
        "black-forest-labs/FLUX.1-dev",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "Qwen/Qwen-Image",
    ],
)
def test_what_is_saved_is_what_was_planned_and_passes_validation(
    tmp_path: Path, model: str, vram: int
) -> None:
    async def work() -> None:
        source = SettingsSource(environment={"AITK_HOME": str(tmp_path)})
        application = Application(source=source, backend=recorded_backend(()))
        async with application:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                session = Session(request_id="plan", policy=application.policy)
                answer = await application.dispatcher.call(tool, arguments, session)
                return dict(answer.data or {})

            plan = (
                await call(
                    "recommend-training-plan",
                    goal="a cat",
                    base_model=model,
                    dataset_path="/d/cats",
                    target_vram_gb=vram,
                )
            )["plan"]
            for profile in plan["alternative_plans"]:
                save = profile["save_with"]
                await call("create-training-config", **save)
                saved = (await call("get-config", name=save["name"]))["config"]
                planned, got = (each["config"]["process"][0] for each in (profile["config"], saved))
                for block in planned.keys() - set(OWN):
                    assert got.get(block) == planned[block], block
                checked = await call(
                    "validate-training-config", config_name=save["name"], check_dataset=False
                )
                assert checked["valid"] is True

    asyncio.run(work())
