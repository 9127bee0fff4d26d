"""Alerting rules over the fleet: which there are, and which are worth a look."""
