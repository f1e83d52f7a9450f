"""Full-text engines behind one Protocol, and literal, ranked and regular-expression search over them."""
