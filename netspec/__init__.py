"""netspec: a declarative cluster-network compiler to infrastructure as code."""

__version__ = "0.1.0"
