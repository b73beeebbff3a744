"""The plan as Pulumi resources, and the engine that applies them. Only this and netspec.program import pulumi."""
