//! Scenario tables in virtual time, naive models, and proofs that what is restored is what was.

mod hash;
mod sequence;
