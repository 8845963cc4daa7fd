"""Gnomon: a charter and a model in; an aligned model, a measured limit, a guard and signed evidence out."""

__version__ = "0.1.0"
