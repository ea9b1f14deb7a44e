//! Both frameworks, byte by byte.
