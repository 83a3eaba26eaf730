"""Pilotage: pilots, licences and boardings."""
