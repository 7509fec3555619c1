//! The forms a call can have, and one reader and one writer over all of them.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`json`] | a JSON value that borrows from the request |
//! | [`form`] | the parameters of a Query request |
//! | [`input`] | reads members of a request, whichever form it has |
//! | [`writer`] | writes members of an answer, in the form the caller understands |
//! | [`xml`] | escaping |
//! | [`value`] | one value model of requests and answers, for the services that speak both JSON and CBOR |
//! | [`events`] | the framing of a stream of events |
//! | [`body`] | the body of an answer, whole or in events |
//! | [`digest`] | the MD5s that clients compare |
//! | [`cbor`] | CBOR, read like JSON |
//! | [`chunked`], [`gzip`] | bodies in chunks with signatures or trailers, and packed ones |
//!
//! Absent on purpose: what members an operation has.

pub(super) mod body;
pub(super) mod cbor;
pub(super) mod chunked;
pub(super) mod digest;
pub(super) mod events;
pub(super) mod form;
pub(super) mod gzip;
pub(super) mod input;
pub(super) mod json;
pub(super) mod value;
pub(super) mod writer;
pub(super) mod xml;
