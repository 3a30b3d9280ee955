"""From a plan to a file: work, progress, stopping, shards."""
