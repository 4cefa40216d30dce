"""Feature backbones."""
