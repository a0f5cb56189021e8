"""How much GPU memory a training config needs, as an interval.

    estimate = estimate_config(config)
    estimate = calibrate(estimate, observations_of_this_machine)
    fits(estimate, available_gib=24)

Where the size of a model is not published there is no estimate. No part was measured on a GPU of
ours: intervals are wide until runs of the machine itself are given to `calibrate`.
"""
