"""What several papers share: terms, networks, schedules."""
