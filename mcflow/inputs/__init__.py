"""The inputs of a case: drawn, digits, or the rows of a file of a user."""
