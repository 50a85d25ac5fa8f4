"""Pictures, log lines and experiment trackers; each of them imports only the library it is for."""
