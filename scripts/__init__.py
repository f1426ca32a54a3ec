"""Programs around the repository: the editor without a window, the demo. Nothing that ships to users belongs here."""
