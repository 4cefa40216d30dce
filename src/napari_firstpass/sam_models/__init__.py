"""Segment Anything models, of both packages that hold them, as functions: pictures to masks."""
