//! The loops that have a vector form; each picks one at run time, and all forms give the same bits.

pub mod lines;
pub mod ranks;
pub mod scan;
pub mod windows;
