"""Pure state machines: an event goes in, commands come out. No loop, clock, socket or randomness."""
