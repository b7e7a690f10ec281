"""The variants: one file and one YAML each, all keeping the promises of `base`."""
