//! What the importers of tokens and of credentials share: decoding a file as text, and reading the lines of a table.

pub mod records;
pub mod text;
