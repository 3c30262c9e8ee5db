//! Skeleton of the binary.
fn main() {}
