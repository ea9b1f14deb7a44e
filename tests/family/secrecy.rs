//! Nothing secret is printed.
