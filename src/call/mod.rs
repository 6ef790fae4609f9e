//! The facts of one call: who calls, with which permissions.
//!
//! It knows no tool and sends nothing.

mod caller;
mod permissions;

pub use caller::{Caller, Identity};
pub use permissions::{Permissions, Toolset, UnknownToolset};
