//! Who is on a list, who is in a group, and what a directory says of a user.

pub mod ldap;
mod probe;
pub mod user_list;

pub use probe::servers as ask_servers;
