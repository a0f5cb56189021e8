"""Pictures of a folder at small size, for people to look at."""
