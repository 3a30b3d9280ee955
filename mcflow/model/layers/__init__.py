"""What a user writes an architecture with: one file for each word of the vocabulary."""
