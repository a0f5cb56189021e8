"""The trainer's config keys: what it reads, what it takes, and changes checked against that.

`table` holds the keys, `values` judges single values, `rules` judges a whole config, `check` puts
both together, `patch` makes, applies and checks changes. `archs` holds the architectures of the
backend's form, `model_names` which of them a model's name means, `form` the process that the form
makes, `text` reads and writes configs as YAML or JSON. A config is untrusted: `json_values`
bounds it before anything looks at it.
"""
