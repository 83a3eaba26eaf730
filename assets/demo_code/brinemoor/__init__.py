"""Internal library of Brinemoor Tidal Works, a kelp harbour operator (an invented company)."""
