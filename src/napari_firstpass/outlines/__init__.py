"""Regions of one class as polygons along the sides of pixels, found strip by strip.

Regions are what hangs together by sides of pixels. Corners of outlines are found where they are, in
2 × 2 pixels, so that nothing has to be cut or glued where strips meet.
"""
