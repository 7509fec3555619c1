//! `forebay server verify`: a pass over the storage of a server that goes on serving.

use super::{
    Failure,
    client::Caller,
    output::{Output, Record},
    progress::Bar,
};
use crate::{config::unit::show_size, proto::admin::v1::VerifyStorageRequest};
use serde::Serialize;

/// Prints each problem when it is found; damage is a failure.
pub(super) async fn run(caller: &Caller, rate: Option<u64>, bar: &Bar, mut output: Output) -> Result<(), Failure> {
    let request = VerifyStorageRequest { max_bytes_per_second: rate.unwrap_or_default() };
    let mut steps = caller.admin().verify_storage(caller.stream(request)).await?.into_inner();
    let (mut read, mut problems) = (0, 0);
    while let Some(step) = steps.message().await? {
        bar.set(step.checked_bytes, step.total_bytes);
        read = step.checked_bytes;
        for problem in step.problems {
            problems += 1;
            bar.suspend(|| output.next(&Problem { problem }))?;
        }
    }
    bar.clear();
    output.note(&format!("{} of sealed segments read: {problems} problems", show_size(read)));
    if problems == 0 {
        return Ok(());
    }
    let failure = Failure::failed("something that was acknowledged is damaged");
    Err(failure.hint("stop the broker; forebay storage repair keeps a copy of it and writes down what was lost"))
}

#[derive(Serialize)]
struct Problem {
    problem: String,
}

impl Record for Problem {
    const COLUMNS: &'static [&'static str] = &["problem"];

    fn cells(&self) -> Vec<String> {
        vec![self.problem.clone()]
    }
}
