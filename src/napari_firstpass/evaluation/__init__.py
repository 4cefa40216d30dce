"""Rulers: how good a segmentation is. Each figure belongs to a protocol and never goes without it.

Arrays in, figures out: no file is opened here.
"""
