//! Many logins at once: one fetch, fair turns, and codes that stay good.
