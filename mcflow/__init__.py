"""Which initialisation keeps activations and gradients flowing: Monte Carlo of random networks, theory beside it."""

import os

import lazy_loader

# In a checkout `kernels` stands beside this folder; an install has it inside. Python started in the checkout finds this
# folder first, installed or not, and must find the kernels that belong to it.
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if os.path.exists(os.path.join(_CHECKOUT, "kernels", "cpu", "_compile.py")):
    __path__.append(_CHECKOUT)

# The public names and where each lives stand in __init__.pyi; each is imported when it is first asked for (SPEC 1).
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
