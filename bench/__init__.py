"""`make bench`: ratios against named baselines, measured in the same run. Nothing here is a test."""
