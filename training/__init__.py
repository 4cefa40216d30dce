"""How the weights in the package were learned; not in the wheel, and never imported by it."""
