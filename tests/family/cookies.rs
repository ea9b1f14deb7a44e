//! Cookies: which are read, which are set, and with what attributes.
