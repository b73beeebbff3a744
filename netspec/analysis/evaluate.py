"""The evaluator that the rest of netspec asks."""

from netspec.analysis.oracle import evaluate

__all__ = ["evaluate"]
