"""What is written of labels for others: which classes, as which numbers, and what is left out."""
