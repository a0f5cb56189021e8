"""What each analyzer must find, and what it must stay quiet on."""
