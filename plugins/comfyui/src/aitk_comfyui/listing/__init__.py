"""From files to lines of an answer."""
