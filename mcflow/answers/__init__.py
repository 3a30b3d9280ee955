"""What a result says: verdicts, checks, comparison, recommendation, tables."""
