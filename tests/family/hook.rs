//! The app's own word at a login, and the settings around it.
