"""Experiments on primary contexts: one process per cell, one JSON line per driver call."""
