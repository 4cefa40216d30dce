"""``python -m napari_firstpass.cli``."""

from napari_firstpass.cli import main

raise SystemExit(main())
