"""Declares the sink and its secret; the code is in `acme_pager.pager`."""

from attrs import frozen

from aitk_core.hookspecs import hookimpl
from aitk_core.settings import setting
from aitk_core.specs import Lazy, SettingsSpec, SinkSpec


@frozen(kw_only=True)
class PagerSettings:
    token: str | None = setting(
        None, env="ACME_PAGER_TOKEN", secret=True, description="Token of the acme account."
    )


@hookimpl
def aitk_sinks():
    yield SinkSpec(kind="acme-pager", open=Lazy("acme_pager.pager:open_pager"))


@hookimpl
def aitk_settings():
    yield SettingsSpec(section="acme_pager", record=PagerSettings)
