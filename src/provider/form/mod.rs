//! From the `http` form that people write to a definition.
