//! YAML as Kubernetes reads and writes it: what JSON can say, with lines.

mod marks;
mod read;
mod scalar;
mod write;

pub(crate) use marks::Marks;
pub(crate) use read::{Document, documents};
pub(crate) use write::print;

#[cfg(test)]
mod tests;
