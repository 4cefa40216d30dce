"""Files: the only place where rasterio is used."""
