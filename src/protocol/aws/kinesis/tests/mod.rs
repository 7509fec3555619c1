//! Inputs and errors against what was recorded of AWS.

mod inputs;
mod words;
