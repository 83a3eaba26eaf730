"""Tariff: rates, bills, demurrage, credit notes and purses."""
