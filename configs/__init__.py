"""Settings: types in `settings`, YAML in `default.yaml`, the way between in `load`."""
