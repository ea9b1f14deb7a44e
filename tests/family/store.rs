//! A store that fails, and one that several instances share.
