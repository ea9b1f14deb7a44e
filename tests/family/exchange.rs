//! One exchange per code, and what may post one.
