"""The shell on the executor's side: agent, zygote, worker. Imports neither hub nor backends."""
