"""The fleet: builds, deployments, slots and the intake of new work; what agents and releases agree on."""
