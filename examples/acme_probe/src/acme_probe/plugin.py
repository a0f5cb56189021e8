"""Declares an analyzer, a band policy and a tool; the code is in `acme_probe.code`."""

from attrs import frozen

from aitk_core.arguments import arg
from aitk_core.hookspecs import hookimpl
from aitk_core.specs import AnalyzerSpec, BandPolicySpec, Lazy, ToolSpec


@frozen(kw_only=True)
class Probe:
    job_id: str = arg(description="Job id, as list-training-jobs shows it.")


@hookimpl
def aitk_tools():
    yield ToolSpec(
        name="acme-probe",
        description="Counts the checkpoints a job has written.",
        arguments=Probe,
        handler=Lazy("acme_probe.code:probe"),
    )


@hookimpl
def aitk_analyzers():
    yield AnalyzerSpec(name="acme-validation", analyze=Lazy("acme_probe.code:analyze"))


@hookimpl
def aitk_band_policies():
    yield BandPolicySpec(id="acme_halves_v1", policy=Lazy("acme_probe.code:Halves"))
