"""What the venues allow an address to ask, and how all our processes there keep to it together."""
