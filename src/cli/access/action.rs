//! The tree below `forebay access`.

use super::{
    key::{KeyAction, Keys},
    record::{CallerRecord, ExplanationRecord},
};
use crate::{
    cli::{
        Exit, Failure,
        client::{Caller, ClientArgs, block_on},
        config::ConfigArgs,
        output::{Output, OutputArgs},
    },
    proto::access::v1::{ExplainAccessRequest, GetCallerRequest},
    runtime::{OfflineKeys, OfflineKeysError},
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show who the server takes the caller for
    Whoami,
    /// Say whether a principal may do something, and which statement decides
    Explain(ExplainArgs),
    /// Create, import, list and revoke access keys
    Key(KeyArgs),
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// An access key's id, a user's arn, or an account of 12 digits [default: the caller]
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// Such as sqs:SendMessage or forebay:PeekMessages
    #[arg(long, value_name = "ACTION")]
    action: String,
    /// A queue's name or arn; for actions on a whole account its namespace, for those on the server nothing
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// The address the call would come from [default: none that conditions could ask about]
    #[arg(long, value_name = "ADDRESS")]
    source_ip: Option<String>,
    /// As if the call came over TLS
    #[arg(long)]
    secure: bool,
}

impl From<ExplainArgs> for ExplainAccessRequest {
    fn from(args: ExplainArgs) -> Self {
        Self {
            principal: args.principal.unwrap_or_default(),
            action: args.action,
            resource: args.resource.unwrap_or_default(),
            source_ip: args.source_ip.unwrap_or_default(),
            secure_transport: args.secure,
        }
    }
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// Work on the data directory itself, while no broker runs; also before its first start
    #[arg(long, global = true, help_heading = "Offline")]
    offline: bool,
    /// The data directory; implies --offline [default: server.data_dir of the configuration]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Offline")]
    data_dir: Option<PathBuf>,
    /// The configuration that names it [default: /etc/forebay/forebay.toml if it exists]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "FOREBAY_CONFIG",
        hide_env_values = true,
        help_heading = "Offline"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: KeyAction,
}

pub(crate) fn run(args: AccessArgs) -> Result<(), Failure> {
    let AccessArgs { client, output, action } = args;
    let mut output = Output::new(&output);
    block_on(&client.server, async {
        match action {
            Action::Whoami => {
                let caller = Caller::connect(&client).await?;
                let found = caller.access().get_caller(caller.request(GetCallerRequest {})).await?.into_inner();
                output.one(&CallerRecord::from(found))
            }
            Action::Explain(args) => {
                let caller = Caller::connect(&client).await?;
                let request = caller.request(ExplainAccessRequest::from(args));
                output.one(&ExplanationRecord::from(caller.access().explain_access(request).await?.into_inner()))
            }
            Action::Key(args) => {
                args.action.ask()?;
                let keys = match args.offline || args.data_dir.is_some() {
                    true => Keys::Offline(open(args.data_dir, args.config)?),
                    false => Keys::Of(Box::new(Caller::connect(&client).await?)),
                };
                args.action.run(&keys, output).await
            }
        }
    })
}

fn open(data_dir: Option<PathBuf>, config: Option<PathBuf>) -> Result<OfflineKeys, Failure> {
    let server = ConfigArgs { config, ..ConfigArgs::default() }.load()?.config.server;
    Ok(OfflineKeys::open(&data_dir.unwrap_or(server.data_dir), server.account_id)?)
}

impl From<OfflineKeysError> for Failure {
    fn from(error: OfflineKeysError) -> Self {
        let failure = Self::new(Exit::Failed, error.to_string());
        match error {
            OfflineKeysError::Directory(_) => {
                failure.hint("while a broker uses the directory, leave --offline and --data-dir away")
            }
            OfflineKeysError::Keys(_) => failure,
        }
    }
}
