"""Checks of a training config: pure functions from a config and facts to issues.

`run` has the entry, `issues`, `facts` and `subject` the seam; the checks stand in modules by
subject, each of them in one list.
"""
