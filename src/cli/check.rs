//! `forebay check`: one answer for a health check. The exit code is 0 or 2, as monitoring systems expect it.

use super::{
    Exit, Failure,
    client::{Caller, ClientArgs, block_on},
    output,
};
use clap::{Args, Subcommand};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

/// What Nagios and Docker call critical; the same number as a usage error, because 2 is all they know.
const CRITICAL: Exit = Exit::Usage;

#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Exit with 0 when the server takes calls, else with 2
    Server(CheckServerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckServerArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Print nothing when all is well
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(command: CheckCommand) -> Result<(), Failure> {
    let CheckCommand::Server(args) = command;
    match block_on(&args.client.server, status(&args.client)) {
        Ok(ServingStatus::Serving) if args.quiet => Ok(()),
        Ok(ServingStatus::Serving) => output::print("OK: the server takes calls\n"),
        Ok(status) => Err(Failure::new(CRITICAL, format!("the server is {}", status.as_str_name()))),
        Err(failure) => Err(Failure { exit: CRITICAL, ..failure }),
    }
}

async fn status(args: &ClientArgs) -> Result<ServingStatus, Failure> {
    let caller = Caller::connect(args).await?;
    let request = caller.request(HealthCheckRequest { service: String::new() });
    let answer = HealthClient::new(caller.channel()).check(request).await?;
    Ok(answer.into_inner().status())
}
