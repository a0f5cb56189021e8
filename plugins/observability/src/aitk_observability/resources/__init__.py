"""What a client reads of a run by URI: series, log, config, report, and the list of runs."""
