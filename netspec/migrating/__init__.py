"""Other people's ways of saying what a spec says of HTTP routes, carried over: each word of theirs is accounted for."""
