"""Contact sheets: what each finding is about, as pictures side by side."""
