"""Stable Diffusion, watched while it looks at a picture: what attends to what."""
