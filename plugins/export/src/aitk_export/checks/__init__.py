"""What a file of weights is found to be: whole, finite, of which rank."""
