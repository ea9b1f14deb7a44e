//! Cache and security headers.
