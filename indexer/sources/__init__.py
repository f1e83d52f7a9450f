"""Where documents come from, behind one Protocol."""
