"""A training plan: three profiles, each a whole config with the reason of every number.

    plan = make_plan(PlanRequest(goal="a character", model_name="...", arch=..., ...))

`past` collects what earlier runs of the machine took; without them no time is claimed.
"""
