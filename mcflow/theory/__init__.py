"""Theory: what random networks do, from infinite width to the exact law at finite width, without sampling."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
