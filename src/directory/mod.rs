//! Who is on a list, who is in a group, and what a directory says of a user.

pub mod ldap;
pub mod user_list;
