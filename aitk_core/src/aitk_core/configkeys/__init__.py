"""The trainer's config keys: what it reads, what it takes, and changes checked against that.

`table` holds the keys, `values` judges single values, `rules` judges a whole config, `check` puts
both together, `patch` makes, applies and checks changes. A config is untrusted: `json_values`
bounds it before anything looks at it.
"""
