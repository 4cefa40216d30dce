"""Segmenters: methods that find classes."""
