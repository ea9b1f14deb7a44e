//! Which corp a request is for, and what a session of another one sees.
