"""Berth: slips, mooring lines, stays and dredging."""
