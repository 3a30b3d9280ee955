"""How a case may be simulated, which way is taken, and what it costs."""
