//! Configuration: INI text in Python's dialect, typed access to it, and references to what must not stand in it.

pub mod ini;
pub mod list;
mod number;
pub mod reference;
pub mod settings;
pub mod unknown;
