"""The models: one file and one YAML each; all implement the interface in `base`."""
