"""What ends or warns of a run: rules on one reading and what was kept of those before."""
