"""The machinery of experiments: command line, sweeps and engines, tables, claims, reports, pages."""
