//! Where the layer is, and what a wrong place answers.
