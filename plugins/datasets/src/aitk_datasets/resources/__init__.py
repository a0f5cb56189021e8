"""What a client reads of a dataset by URI: report, charts, sheets, page, and the list of them."""
