"""Connectors: one file per kind of source; plain functions behind ``registry.py``."""
