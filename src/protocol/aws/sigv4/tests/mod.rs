//! Signatures against AWS's published vectors, against AWS's own signer, and against whoever changes a byte.

mod chunks;
mod limits;
mod oracle;
mod refusals;
mod support;
mod vectors;
