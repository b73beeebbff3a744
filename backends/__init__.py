"""Backends: the IR lowered to a plan. Each imports netspec and backends.objects, never another backend."""
