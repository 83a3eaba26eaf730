"""Safety: work permits, incidents, drills and spills."""
