"""How pages are answered: templates, headers, files, actions."""
