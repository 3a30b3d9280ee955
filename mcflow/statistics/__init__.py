"""Statistics over networks: moments, sketches, summaries, tests of hypotheses."""
