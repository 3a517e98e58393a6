//! tasks
mod wake_list;
pub use wake_list::WakeList;
