"""What all commands do with their arguments: read them, refuse them, explain them, sweep over them."""
