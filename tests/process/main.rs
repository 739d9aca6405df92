//! The real binary: bytes on stdout, stderr, exit status, whatever comes in and wherever it runs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a JSON value that lacks a member is null, and a test may fail")]

mod check_config;
mod command_line;
mod configuration;
mod doctor;
mod manual;
mod many;
mod online;
mod output;
mod people;
mod remembered;
mod scenario;
mod state;
mod stdin;
mod stdout;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../support/mod.rs"]
mod support;
