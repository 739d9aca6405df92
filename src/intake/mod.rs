//! Files that administrators import, tokens or credentials: their bytes as text, and the lines of their tables.

pub mod records;
pub mod text;
