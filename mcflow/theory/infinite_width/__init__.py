"""What networks do in the limit of infinite width, layer by layer."""
