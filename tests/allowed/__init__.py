"""Packages of which one is allowed to run."""
