"""The shell on the owner's side: connections, sessions, journals. Never unpickles."""
