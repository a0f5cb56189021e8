"""What list-datasets says of each folder."""
