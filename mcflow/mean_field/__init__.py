"""Gaussian averages of one activation, and the maps of infinite width that are made of them."""
