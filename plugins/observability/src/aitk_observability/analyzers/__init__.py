"""Pure functions from evidence to findings, registered through the hook like anyone's."""
