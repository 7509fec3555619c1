//! What the log and a checkpoint say about streams: plain data to the generated structs of the storage protos, and back.
//!
//! Decoding checks what a CRC cannot: that all that has to be there is there, and that no interval ends before it begins.

mod appended;
mod change;
mod definition;
mod event;
mod group;
mod head;
mod image;
mod parts;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use appended::AppendedHeader;
pub(crate) use change::{change_from, change_to};
pub(crate) use definition::{stream_definition_from, stream_definition_to};
pub(crate) use image::{stream_image_from, stream_image_to};
