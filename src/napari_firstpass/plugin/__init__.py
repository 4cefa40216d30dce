"""What napari calls: reader, writer, sample data."""
