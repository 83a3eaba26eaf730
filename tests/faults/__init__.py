"""The fault matrix: what may go wrong, what must happen then, and the tests that cause it."""
