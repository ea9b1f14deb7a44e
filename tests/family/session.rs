//! How long a session lasts, and what ends it.
