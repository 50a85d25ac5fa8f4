"""Metrics; each of them imports only the library it is for."""
