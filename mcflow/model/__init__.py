"""What is simulated: cases and studies."""
