//! The wire, and nothing but the wire: JSON on stdin, one JSON value on stdout, cookies in between.

pub mod cookie;
pub mod invocation;
pub mod response;
