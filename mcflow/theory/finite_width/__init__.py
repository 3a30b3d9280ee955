"""What networks of finite width do: exactly, or to first order in 1/width."""
