//! The local tokens: one-time codes, PINs, forward and four-eyes tokens, on top of the store.

pub mod oath;
pub mod pin;
