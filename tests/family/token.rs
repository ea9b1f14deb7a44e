//! The token cache under concurrency and trouble.
