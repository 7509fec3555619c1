//! AWS Signature Version 4, verified: who signed a request, and whether this is the request they signed.
//!
//! Pure functions over a request's head and body. The order of a call: [`Claim::parse`] reads what the request says
//! about itself, the caller looks up the secret of [`Claim::key_id`], [`Verifier::verify`] computes the signature again.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`head`] | the parts of a request that a signature covers |
//! | [`claim`] | who says to have signed, when, for which region and service |
//! | `authorization`, `presigned` | the claim's two forms: a header, or parameters of the query |
//! | `canonical` | the one spelling of a request that both sides sign |
//! | `encode`, `moment` | percent-encoding, dates |
//! | `payload` | what stands for the body in the signed text |
//! | `chunks` | the signatures inside of a body in chunks |
//! | `keys` | signing keys, derived once a day |
//! | [`verify`] | the window of time, the body's hash, the signature |
//! | [`error`] | why a request is refused, in AWS's words |
//!
//! Absent on purpose: where secrets come from, and what a caller may do.

mod authorization;
mod canonical;
mod chunks;
pub mod claim;
mod encode;
pub mod error;
pub mod head;
mod keys;
mod moment;
mod payload;
mod presigned;
pub mod verify;

#[cfg(test)]
mod tests;

pub use self::{
    claim::Claim,
    error::{SignatureError, SignatureErrorKind},
    head::Head,
    verify::Verifier,
};
