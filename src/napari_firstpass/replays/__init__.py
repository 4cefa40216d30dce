"""What labels and exports tell of how they were made, done once more."""
