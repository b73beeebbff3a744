"""The plan as Pulumi resources, and the engine that applies them. Only this and __main__.py import pulumi."""
