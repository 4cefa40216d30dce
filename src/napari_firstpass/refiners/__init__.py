"""Refiners: methods that clean up labels."""
