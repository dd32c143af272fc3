"""The steps that lead a database of any age to the tables of this version."""
