"""Activations by name: the built-in ones, and a user's own."""

from mcflow.activations.formulas import Formula
from mcflow.activations.given import Given, resolve
from mcflow.activations.registry import ALIASES, Activation, ends_of, get, names, register

__all__ = ["ALIASES", "Activation", "Formula", "Given", "ends_of", "get", "names", "register", "resolve"]
