"""Who reaches whom, and why: reachability over an `Inventory`, with no cluster."""
