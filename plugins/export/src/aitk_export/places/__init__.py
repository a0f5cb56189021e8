"""Where files of weights are: below a folder of this machine, or with the backend."""
