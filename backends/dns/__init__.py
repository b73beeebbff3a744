"""DNS servers, for clusters that bring none."""
