"""Judging label files by others: files in, figures with their statements out."""
