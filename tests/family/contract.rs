//! The rules of a store, held against every implementation.
