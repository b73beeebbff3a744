"""A spec from what is there: an inventory (manifests, a live cluster) to spec data to YAML, with a proof that both say
the same, and a list of what the spec has no word for.

`convert.convert` is the way in; `report` says in text and JSON what came of it.
"""
