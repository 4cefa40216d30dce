"""The dock: the only place, with the plugin hooks, where Qt and napari are used."""
